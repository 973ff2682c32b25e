#include "../../la/core/storage.hpp"
#include "kernel_check.hpp"

namespace la::test {
namespace {

using kernels::KeyMask;

/// Random keys and values of one head in pages, as kernels::Attention reads them.
struct Pages {
  Pages(i64 keys, i64 d, Noise& noise) : padded((d + 15) / 16 * 16) {
    for (i64 first = 0; first < keys; first += kernels::kPageKeys) {
      std::vector<float> page(std::size_t(kernels::kPageKeys * (d + padded)));
      for (i64 j = 0; j < kernels::kPageKeys && first + j < keys; ++j)
        for (i64 i = 0; i < d; ++i) {
          page[std::size_t(j / 16 * d * 16 + i * 16 + j % 16)] = noise();
          page[std::size_t(v_offset(d) + i / 16 * 64 * 16 + j * 16 + i % 16)] = noise();
        }
      storage.push_back(std::move(page));
    }
    for (auto& page : storage) pointers.push_back(page.data());
  }
  static i64 v_offset(i64 d) { return kernels::kPageKeys * d; }
  i64 padded;
  std::vector<std::vector<float>> storage;
  std::vector<const float*> pointers;
};

/// Whole; with `apart`, its parts one by one, the last first, and then merged.
std::vector<float> run(const kernels::Table& table, const Pages& pages, const std::vector<float>& queries,
                       i64 d, const std::vector<KeyMask>& visible, bool apart = false) {
  const i64 rows = i64(visible.size());
  std::vector<Guarded<float>> out;
  std::vector<const float*> q;
  std::vector<float*> to;
  for (i64 r = 0; r < rows; ++r) out.emplace_back(d, int(r % 3));
  for (i64 r = 0; r < rows; ++r) {
    q.push_back(queries.data() + r * d);
    to.push_back(out[std::size_t(r)].data());
  }
  Storage scratch(std::size_t(kernels::attention_scratch(d)) * sizeof(float));
  kernels::Attention a;
  a.q = q.data();
  a.out = to.data();
  a.visible = visible.data();
  a.rows = rows;
  a.d = d;
  a.pages = pages.pointers.data();
  a.v_offset = Pages::v_offset(d);
  a.scale = 1 / std::sqrt(float(d));
  a.scratch = scratch.as<float>();
  i64 end = 0;
  for (const KeyMask& sees : visible) end = std::max<i64>(end, std::max(sees.prefix, sees.window_end));
  const i64 parts = kernels::attention_parts(end);
  Storage states(std::size_t(parts * kernels::attention_state(rows, d)) * sizeof(float));
  if (apart) {
    a.states = states.as<float>();
    a.parts = 1;
    for (a.first_part = parts - 1; a.first_part >= 0; --a.first_part) table.attention(a);
    a.first_part = 0;
    a.parts = parts;
    table.attention_merge(a);
  } else {
    table.attention(a);
  }
  std::vector<float> result;
  for (auto& row : out) {
    CHECK(row.intact());
    for (float x : row.copy()) result.push_back(x);
  }
  return result;
}

std::vector<KeyMask> full(i64 rows, i64 keys) {
  return std::vector<KeyMask>(std::size_t(rows), {int(keys), 0, 0});
}

std::vector<KeyMask> causal(i64 rows, i64 keys) {
  std::vector<KeyMask> v;
  for (i64 r = 0; r < rows; ++r) v.push_back({int(keys - rows + r + 1), 0, 0});
  return v;
}

/// A block step: causal rows, then six that see all but the last real token, and each other.
std::vector<KeyMask> window(i64 real, i64 keys) {
  const i64 length = keys - 6;
  std::vector<KeyMask> v = causal(real, length);
  for (int j = 0; j < 6; ++j) v.push_back({int(length - 1), int(length), int(keys)});
  return v;
}

void check(i64 d, i64 keys, const std::vector<KeyMask>& visible) {
  CAPTURE(d);
  CAPTURE(keys);
  CAPTURE(visible.size());
  Noise noise(unsigned(d * 7919 + keys));
  const Pages pages(keys, d, noise);
  std::vector<float> queries(visible.size() * std::size_t(d));
  noise.fill(queries, 2);
  const auto want = run(kernels::select_isa("scalar"), pages, queries, d, visible);
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const kernels::Table kernel = kernels::select_isa(isa->name);
    const auto got = run(kernel, pages, queries, d, visible);
    REQUIRE(relative_error(got, want) < 5e-6);
    const auto apart = run(kernel, pages, queries, d, visible, true);
    REQUIRE(std::memcmp(apart.data(), got.data(), got.size() * sizeof(float)) == 0);
    for (std::size_t r = 0; r < visible.size(); r += 1 + visible.size() / 5) {
      const std::vector<float> one(queries.begin() + long(r * std::size_t(d)),
                                   queries.begin() + long((r + 1) * std::size_t(d)));
      const auto alone = run(kernel, pages, one, d, {visible[r]});
      REQUIRE(std::memcmp(alone.data(), got.data() + r * std::size_t(d), std::size_t(d) * sizeof(float)) ==
              0);
    }
  }
}

}  // namespace

TEST_CASE(
    "attention: full, causal and block-window rows agree with the scalar reference, alone the same bits") {
  for (i64 d : {1, 8, 16, 24, 40, 72, 80, 128}) {
    check(d, 1, full(1, 1));
    check(d, 63, full(7, 63));
    check(d, 64, causal(48, 64));
    check(d, 65, causal(13, 65));
    check(d, 200, full(48, 200));
    check(d, 71, window(5, 71));
    check(d, 134, window(1, 134));
    check(d, 7, window(1, 7));
    check(d, 129, causal(20, 129));
    check(d, 256, full(9, 256));
    check(d, 400, window(12, 400));
  }
}

TEST_CASE("attention: hidden keys have no influence, whatever they hold") {
  Noise noise(5);
  Pages pages(134, 24, noise);
  std::vector<float> queries(24);
  noise.fill(queries);
  const std::vector<KeyMask> sees{{60, 128, 134}};
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const kernels::Table kernel = kernels::select_isa(isa->name);
    const auto before = run(kernel, pages, queries, 24, sees);
    Pages changed = pages;
    for (i64 j = 60; j < 128; ++j)
      for (i64 i = 0; i < 24; ++i) {
        auto& page = changed.storage[std::size_t(j / 64)];
        page[std::size_t(j % 64 / 16 * 24 * 16 + i * 16 + j % 16)] = 1e6f;
        page[std::size_t(Pages::v_offset(24) + i / 16 * 64 * 16 + j % 64 * 16 + i % 16)] = -1e6f;
      }
    for (std::size_t p = 0; p < changed.storage.size(); ++p) changed.pointers[p] = changed.storage[p].data();
    CHECK(run(kernel, changed, queries, 24, sees) == before);
  }
}

TEST_CASE(
    "attention: a row that sees nothing is zeros, a NaN query stays in its row, large scores do not "
    "overflow") {
  Noise noise(6);
  const Pages pages(100, 16, noise);
  std::vector<float> queries(4 * 16, 0.5f);
  for (int i = 0; i < 16; ++i) queries[std::size_t(16 + i)] = NAN;
  for (int i = 0; i < 16; ++i) queries[std::size_t(32 + i)] = 1e20f;
  const std::vector<KeyMask> sees{{0, 0, 0}, {100, 0, 0}, {100, 0, 0}, {100, 0, 0}};
  for (const kernels::Isa* isa : runnable_isas()) {
    CAPTURE(isa->name);
    const auto got = run(kernels::select_isa(isa->name), pages, queries, 16, sees);
    for (std::size_t i = 0; i < 16; ++i) {
      CHECK(got[i] == 0.0f);
      CHECK(std::isnan(got[16 + i]));
      CHECK(std::isfinite(got[32 + i]));
      CHECK(std::isfinite(got[48 + i]));
    }
  }
}

}  // namespace la::test
