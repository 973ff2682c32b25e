// Names that other people's headers define as macros, before la and after it; and traps for invalid numbers.
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define require(x) static_assert(x)
#define check(x) static_assert(x)
#include <la/la.hpp>

#include <cfenv>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3 || min(1, 2) != 1 || max(1, 2) != 2) return 2;
  feenableexcept(FE_INVALID | FE_DIVBYZERO);
  auto session = la::Session::open(argv[1]);
  const auto result = session.ground(session.encode(la::load_image(argv[2])), "red circle");
  std::printf("%zu\n", result.items.size());
  return result.items.size() == 1 ? 0 : 1;
}
