// The device code as one translation unit: clang -x cuda --cuda-device-only -nocudainc -nocudalib -S makes PTX of it.
#include "module.hpp"
