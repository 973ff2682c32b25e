#include "../../la/core/scalar.hpp"

#include "../support.hpp"

namespace la::test {

TEST_CASE("bf16: rounds to nearest even, widens exactly, keeps NaN and infinities") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = to_float(bf16{std::uint16_t(bits)});
    if (std::isnan(x))
      CHECK(std::isnan(to_float(to_bf16(x))));
    else
      REQUIRE(to_bf16(x).bits == bits);
  }
  CHECK(to_bf16(std::bit_cast<float>(0x3f808000u)).bits == 0x3f80);  // halfway: even
  CHECK(to_bf16(std::bit_cast<float>(0x3f818000u)).bits == 0x3f82);
  CHECK(to_bf16(std::bit_cast<float>(0x3f808001u)).bits == 0x3f81);
  CHECK(to_bf16(3.4e38f).bits == 0x7f80);
}

TEST_CASE("f16: every value survives the round trip, rounding is to nearest even") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = to_float(f16{std::uint16_t(bits)});
    if (std::isnan(x))
      CHECK(std::isnan(to_float(to_f16(x))));
    else
      REQUIRE(to_f16(x).bits == bits);
  }
  CHECK(to_float(f16{0x0001}) == 0x1p-24f);
  CHECK(to_float(f16{0xfbff}) == -65504.0f);
  CHECK(to_f16(65519.0f).bits == 0x7bff);
  CHECK(to_f16(65520.0f).bits == 0x7c00);
  CHECK(to_f16(1.0f + 0x1p-11f).bits == 0x3c00);  // halfway: even
  CHECK(to_f16(1.0f + 3 * 0x1p-11f).bits == 0x3c02);
  CHECK(to_f16(0x1p-25f).bits == 0);  // halfway to the smallest: even
  CHECK(to_f16(0x1.8p-24f).bits == 2);
}

}  // namespace la::test
