// Loaded before a program: its global locale is that of the environment, as when it were written so.
#include <iostream>
#include <locale>

namespace {
const int set = [] {
  std::locale::global(std::locale(""));
  std::cout.imbue(std::locale());
  std::cerr.imbue(std::locale());
  return 0;
}();
}  // namespace
