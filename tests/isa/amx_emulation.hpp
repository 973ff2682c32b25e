#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

// AMX's tiles as plain memory, one set a thread, with the instructions that the kernels use. What would fault on a CPU
// aborts here: a configuration that the manual forbids, shapes that do not fit each other, a tile used without one.
namespace la::test::amx {

struct Tile {
  int rows = 0, bytes = 0;  // 0: not configured
  std::uint8_t data[16][64] = {};
};
inline thread_local Tile tiles[8];

inline void expect(bool ok) {
  if (!ok) std::abort();
}

inline void load_config(const void* config) {
  std::uint8_t raw[64];
  std::memcpy(raw, config, sizeof raw);
  expect(raw[0] == 1 && raw[1] == 0);
  for (int t = 0; t < 8; ++t) {
    tiles[t] = {};
    tiles[t].bytes = raw[16 + 2 * t] + 256 * raw[17 + 2 * t];
    tiles[t].rows = raw[48 + t];
    expect(tiles[t].rows <= 16 && tiles[t].bytes <= 64 && (tiles[t].rows == 0) == (tiles[t].bytes == 0));
  }
}

inline void release() {
  for (Tile& t : tiles) t = {};
}

inline void zero(int t) {
  expect(tiles[t].rows > 0);
  std::memset(tiles[t].data, 0, sizeof tiles[t].data);
}

inline void load(int t, const void* base, long stride) {
  zero(t);
  for (int r = 0; r < tiles[t].rows; ++r)
    std::memcpy(tiles[t].data[r], static_cast<const std::uint8_t*>(base) + r * stride,
                std::size_t(tiles[t].bytes));
}

inline void store(int t, void* base, long stride) {
  expect(tiles[t].rows > 0);
  for (int r = 0; r < tiles[t].rows; ++r)
    std::memcpy(static_cast<std::uint8_t*>(base) + r * stride, tiles[t].data[r], std::size_t(tiles[t].bytes));
}

/// c[m][n] += sum over k of a[m][k] b[k / 4][n][k % 4], signed bytes to 32 bits.
inline void dpbssd(int c, int a, int b) {
  Tile &to = tiles[c], &left = tiles[a], &right = tiles[b];
  expect(to.rows > 0 && to.rows == left.rows && to.bytes == right.bytes && left.bytes == 4 * right.rows);
  for (int m = 0; m < to.rows; ++m)
    for (int n = 0; n < to.bytes / 4; ++n) {
      std::int32_t sum;
      std::memcpy(&sum, &to.data[m][4 * n], sizeof sum);
      for (int k = 0; k < left.bytes; ++k)
        sum += std::int8_t(left.data[m][k]) * std::int8_t(right.data[k / 4][4 * n + k % 4]);
      std::memcpy(&to.data[m][4 * n], &sum, sizeof sum);
    }
}

}  // namespace la::test::amx

// The compiler's own headers may have defined them.
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#define _tile_loadconfig(config) la::test::amx::load_config(config)
#define _tile_release() la::test::amx::release()
#define _tile_zero(t) la::test::amx::zero(t)
#define _tile_loadd(t, base, stride) la::test::amx::load(t, base, stride)
#define _tile_stored(t, base, stride) la::test::amx::store(t, base, stride)
#define _tile_dpbssd(c, a, b) la::test::amx::dpbssd(c, a, b)
