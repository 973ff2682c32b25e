#include "../../la/decoding/evidence.hpp"

#include <cmath>
#include <vector>

#include "../../la/decoding/sampling.hpp"
#include "../support.hpp"

namespace la::test::of_evidence {
namespace {

constexpr std::int32_t kNone = 3, kBox = 1, kNull = 6, kEnd = 7, kCoord = 20, kCoords = 101;

la::SpecialTokens evidence_tokens() {
  la::SpecialTokens s;
  s.box_start = kBox, s.box_end = 2, s.ref_start = 4, s.none = kNone, s.null = kNull, s.end = kEnd;
  s.coord_first = kCoord, s.coord_last = kCoord + kCoords - 1;
  return s;
}

std::vector<float> row_with(std::initializer_list<std::pair<std::int32_t, float>> values) {
  std::vector<float> row(std::size_t(kCoord + kCoords + 5), 0.0f);
  for (const auto& [id, p] : values) row[std::size_t(id)] = p;
  return row;
}

la::Evidence evidence_of(const std::vector<float>& row, std::int32_t id, float probability) {
  return la::evidence_of(la::summarize(row, evidence_tokens()), id, probability, evidence_tokens());
}

la::CoordinateSpread at(float place) {
  la::CoordinateSpread spread;
  spread.at[0] = place, spread.weight[0] = 1;
  return spread;
}

/// Overlap of unsorted boxes, written out.
double iou_of(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const auto side = [](double a1, double a2, double b1, double b2) {
    return std::max(
        0.0, std::min(std::max(a1, a2), std::max(b1, b2)) - std::max(std::min(a1, a2), std::min(b1, b2)));
  };
  const double common = side(a[0], a[2], b[0], b[2]) * side(a[1], a[3], b[1], b[3]);
  const double all =
      std::abs((a[2] - a[0]) * (a[3] - a[1])) + std::abs((b[2] - b[0]) * (b[3] - b[1])) - common;
  return all > 0 ? common / all : 0;
}

}  // namespace

TEST_CASE(
    "evidence: that there is an object is what coordinates have against none, and a box against the end") {
  const auto coordinate = row_with({{kCoord + 4, 0.3f}, {kCoord + 5, 0.3f}, {kNone, 0.2f}, {kEnd, 0.2f}});
  CHECK(evidence_of(coordinate, kCoord + 4, 0.3f).object == doctest::Approx(0.75));
  const auto box = row_with({{kBox, 0.6f}, {kEnd, 0.1f}, {kNull, 0.1f}, {kNone, 0.2f}});
  const la::Evidence e = evidence_of(box, kBox, 0.6f);
  CHECK(e.object == doctest::Approx(0.75));
  CHECK(e.probability == 0.6f);
  CHECK(evidence_of(box, kNone, 0.2f).object == 1);
}

TEST_CASE("evidence: a spread keeps the chosen coordinate, all mass and both sides' means") {
  la::Random random(4);
  std::vector<float> row = row_with({});
  for (std::int32_t i = 0; i < kCoords; ++i) row[std::size_t(kCoord + i)] = float(random.uniform());
  for (const std::int32_t chosen : {0, 1, 37, 99, 100}) {
    CAPTURE(chosen);
    const auto spread = evidence_of(row, kCoord + chosen, 0).spread;
    CHECK(spread.at[3] == float(chosen));
    double mass = 0, mean = 0, want = 0, total = 0, below = 0, want_below = 0;
    for (std::size_t i = 0; i < spread.at.size(); ++i) {
      mass += double(spread.weight[i]);
      mean += double(spread.weight[i]) * double(spread.at[i]);
      if (i < 3) below += double(spread.weight[i]);
    }
    for (std::int32_t i = 0; i < kCoords; ++i) {
      total += double(row[std::size_t(kCoord + i)]);
      want += i * double(row[std::size_t(kCoord + i)]);
      if (i < chosen) want_below += double(row[std::size_t(kCoord + i)]);
    }
    CHECK(mass == doctest::Approx(1));
    CHECK(mean == doctest::Approx(want / total));
    CHECK(below == doctest::Approx(want_below / total));
  }
  // Without any mass, as top_p may leave it, the coordinate itself is all there is.
  const auto empty = evidence_of(row_with({}), kCoord + 9, 0);
  CHECK(empty.spread.weight[3] == 1);
  CHECK(empty.spread.at[3] == 9);
}

TEST_CASE("evidence: the expected overlap is the sum over all combinations, near that over all coordinates") {
  const std::array<int, 4> chosen{20, 30, 60, 80};
  std::array<la::CoordinateSpread, 4> certain{at(20), at(30), at(60), at(80)};
  CHECK(la::expected_iou(chosen, certain) == doctest::Approx(1));
  std::array<la::CoordinateSpread, 4> turned{at(60), at(80), at(20), at(30)};
  CHECK(la::expected_iou(chosen, turned) == doctest::Approx(1));  // corners may come unordered
  const std::array<int, 4> flat{20, 30, 20, 80};
  CHECK(la::expected_iou(flat, certain) == 0);

  std::array<std::vector<float>, 4> rows;
  std::array<la::CoordinateSpread, 4> drawn;
  la::Random random(8);
  for (std::size_t c = 0; c < 4; ++c) {
    rows[c] = row_with({});
    for (std::int32_t i = -5; i <= 5; ++i)
      rows[c][std::size_t(kCoord + chosen[c] + i)] = float(std::exp(-i * i / 6.0) * (0.5 + random.uniform()));
    drawn[c] = evidence_of(rows[c], kCoord + chosen[c], 0).spread;
  }
  double exact = 0, total = 0, points = 0;
  for (int i = 0; i < 11 * 11 * 11 * 11; ++i) {
    std::array<double, 4> box, truth;
    double weight = 1;
    for (std::size_t c = 0, n = std::size_t(i); c < 4; ++c, n /= 11) {
      const int place = chosen[c] + int(n % 11) - 5;
      box[c] = place, truth[c] = chosen[c];
      weight *= double(rows[c][std::size_t(kCoord + place)]);
    }
    exact += weight * iou_of(truth, box);
    total += weight;
  }
  for (int i = 0; i < 7 * 7 * 7 * 7; ++i) {
    std::array<double, 4> box, truth;
    double weight = 1;
    for (std::size_t c = 0, n = std::size_t(i); c < 4; ++c, n /= 7) {
      box[c] = double(drawn[c].at[n % 7]), truth[c] = chosen[c];
      weight *= double(drawn[c].weight[n % 7]);
    }
    points += weight * iou_of(truth, box);
  }
  CHECK(double(la::expected_iou(chosen, drawn)) == doctest::Approx(points).epsilon(1e-5));
  CHECK(double(la::expected_iou(chosen, drawn)) == doctest::Approx(exact / total).epsilon(0.01));
}

TEST_CASE("evidence: closeness falls evenly to nothing at the reach") {
  const std::array<int, 2> chosen{100, 200};
  const auto closeness = [&](float dx, float dy) {
    const std::array<la::CoordinateSpread, 2> drawn{at(100 + dx), at(200 + dy)};
    return la::expected_closeness(chosen, drawn);
  };
  CHECK(closeness(0, 0) == doctest::Approx(1));
  CHECK(closeness(30, -40) == doctest::Approx(1 - 50 / la::kPointReach));
  CHECK(closeness(0, la::kPointReach) == 0);
  CHECK(closeness(500, 0) == 0);
}

TEST_CASE("evidence: a special token outside the vocabulary is an error") {
  const std::vector<float> small(kCoord + 3, 0.1f);
  CHECK_THROWS_WITH_AS(evidence_of(small, kCoord, 0.1f), doctest::Contains("outside the vocabulary of 23"),
                       la::Error);
}

}  // namespace la::test::of_evidence
