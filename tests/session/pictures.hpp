#pragma once

#include <string>

#include "../../la/image/load.hpp"
#include "../support.hpp"

namespace la::test {

/// One that the reference's answers are about: "00".
inline Image golden_image(const char* name) {
  return load_image(source(std::string("tests/goldens/shapes/images/") + name + ".png"));
}

inline Image shapes_picture() {
  return load_image(source("data/pictures/shapes.png"));
}

}  // namespace la::test
