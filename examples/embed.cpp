// A program of its own that uses la through its one header:
//
//   g++ -std=c++20 -O2 -march=native -pthread -I la-source embed.cpp -o embed -lsimdjson -lutf8proc
//   ./embed CHECKPOINT PICTURE PHRASE

#include <cstdio>
#include <exception>

#include <la/la.hpp>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s CHECKPOINT PICTURE PHRASE\n", argv[0]);
    return 2;
  }
  try {
    auto session = la::Session::open(argv[1]);
    auto image = session.encode(la::load_image(argv[2]));
    auto result = session.ground(image, argv[3]);
    for (const la::Item& item : result.items) {
      if (item.kind != la::Item::Kind::box) continue;
      std::printf("%s %.1f %.1f %.1f %.1f\n", item.label.c_str(), item.box[0], item.box[1], item.box[2],
                  item.box[3]);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
