#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "../core/error.hpp"

namespace la::inline LA_ABI {

/// Where ops run: on this processor, on a card, or on the first card that can take the model, else here.
struct Device {
  enum class Kind { cpu, cuda, automatic } kind = Kind::cpu;
  int card = 0;  ///< among those that the driver shows
};

/// error: neither auto, cpu, cuda nor cuda:N (usage); flag says where the name was given
inline Device parse_device(std::string_view flag, std::string_view name) {
  if (name == "auto") return {Device::Kind::automatic};
  if (name == "cpu") return {Device::Kind::cpu};
  if (name == "cuda") return {Device::Kind::cuda};
  constexpr std::string_view prefix = "cuda:";
  if (name.starts_with(prefix)) {
    int card = -1;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), card);
    if (error == std::errc() && end == name.data() + name.size() && card >= 0)
      return {Device::Kind::cuda, card};
  }
  fail_usage(flag, ": expected auto, cpu, cuda or cuda:N, found '", name, "'");
}

}  // namespace la::inline LA_ABI
