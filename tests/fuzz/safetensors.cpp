// A .safetensors file: header, then every tensor that it promises.
#include "fuzz.hpp"
#include "la/io/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace la;
  static const fuzz::Scratch scratch;
  scratch.write("model.safetensors", {reinterpret_cast<const char*>(data), size});
  fuzz::accepted([] {
    const SafetensorsFile file = SafetensorsFile::open(scratch / "model.safetensors");
    std::size_t bytes = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      fuzz::require_that(tensor.name == name && file.find(name) == &tensor, "a tensor is found by its name");
      fuzz::require_that(std::size_t(tensor.size()) * size_of(tensor.dtype) == tensor.bytes.size(),
                         "a tensor has the bytes of its elements");
      bytes += tensor.bytes.size();
      tensor.describe();
      fuzz::accepted([&, &t = tensor] {
        std::vector<float> values(std::size_t(t.size()));
        read_f32(t, 0, values);
      });
    }
    fuzz::require_that(bytes <= file.file().bytes().size(), "tensors lie inside the file");
  });
  return 0;
}
