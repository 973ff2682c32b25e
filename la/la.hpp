#pragma once

/// The one include. See README.md for a first program.

#if __cplusplus < 202002L
#error "la needs C++20: compile with -std=c++20 or later"
#else

// Names that <windows.h>, Apple's AssertMacros.h and old C headers define as macros; they are the program's again below.
#pragma push_macro("min")
#undef min
#pragma push_macro("max")
#undef max
#pragma push_macro("require")
#undef require
#pragma push_macro("check")
#undef check
#pragma push_macro("verify")
#undef verify
#pragma push_macro("fail")
#undef fail
#pragma push_macro("small")
#undef small
#pragma push_macro("near")
#undef near
#pragma push_macro("far")
#undef far
#pragma push_macro("interface")
#undef interface

#include "../kernels/dispatch.hpp"
#include "core/error.hpp"
#include "core/tensor.hpp"
#include "core/truncation_guard.hpp"
#include "image/annotate.hpp"
#include "image/image_view.hpp"
#include "image/load.hpp"
#include "image/patches.hpp"
#include "image/resize.hpp"
#include "image/tiles.hpp"
#include "image/write_image.hpp"
#include "image/write_png.hpp"
#include "io/checkpoint.hpp"
#include "io/hub.hpp"
#include "io/json_write.hpp"
#include "model/check_values.hpp"
#include "model/language.hpp"
#include "session/join.hpp"
#include "session/memory.hpp"
#include "session/session.hpp"
#include "model/vision.hpp"
#include "ops/ops.hpp"
#include "ops/ops_cpu.hpp"
#include "text/prompt.hpp"
#include "text/task.hpp"
#include "text/tokenizer.hpp"
#include "version.hpp"

#pragma pop_macro("interface")
#pragma pop_macro("far")
#pragma pop_macro("near")
#pragma pop_macro("small")
#pragma pop_macro("fail")
#pragma pop_macro("verify")
#pragma pop_macro("check")
#pragma pop_macro("require")
#pragma pop_macro("max")
#pragma pop_macro("min")

#endif
