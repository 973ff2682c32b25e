#pragma once

/// The version of la; meson.build checks that it is the project's.
#define LA_VERSION_MAJOR 0
#define LA_VERSION_MINOR 2
#define LA_VERSION_PATCH 0
#define LA_VERSION "0.2.0"
