// See mixed_test.sh.
#include <iostream>
#include <string>

std::string baseline();
std::string avx2();
std::string avxvnni();
std::string avx512();
std::string fast_math();
std::string with_library();

int main() {
  std::cout << "baseline: " << baseline() << "\navx2: " << avx2() << "\navxvnni: " << avxvnni()
            << "\navx512: " << avx512() << "\nfast math: " << fast_math() << "\nlibrary: " << with_library()
            << '\n';
}
