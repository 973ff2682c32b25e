#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <locale>

int main(int argc, char** argv) {
  // As a program that speaks its user's language does; but the system's messages stay those that tests know.
  if (const char* name = std::getenv("LA_TEST_LOCALE"))
    std::locale::global(std::locale(std::locale(name), std::locale::classic(), std::locale::messages));
  return doctest::Context(argc, argv).run();
}
