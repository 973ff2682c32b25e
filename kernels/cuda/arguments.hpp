#pragma once

#include "../formats.hpp"
#include "../kernels.hpp"

/// What CUDA kernels take: one plain struct each, by value. Types and constants only: read by the host, by the compilers
/// of device code and by the tests. Pointers are device addresses; strides are in elements.
namespace la::inline LA_ABI::kernels::cuda {

/// Threads of a block, where a kernel does not say otherwise.
inline constexpr int kThreads = 128;

/// How a weight [N, K] lies on the device: in tiles of 8 outputs, in the order in which the lanes of a warp hold the
/// second operand of a 16 x 8 x 16 product. Lane 4 g + t holds output g of the tile and, of every 32 inputs (a step),
/// inputs 8 t .. 8 t + 7, so that it reads 8 neighbours of a row of activations at once.
///
///   f32   [tiles][steps][32 lanes][8] float
///   bf16  [tiles][steps][32 lanes][8] upper halves of floats
///   q8    [tiles][groups][2][32 lanes][2][8] bytes: steps 2 h and 2 h + 1 of a group of 128; of four inputs the second
///         and the third change places, so that a mask takes out a pair
///   q4    [tiles][groups of 128][32 lanes][4] words, one a step: inputs 2 p and 2 p + 1 at bits 4 p and 4 p + 16
///
/// Integer weights have scales [tiles][groups of 128][8 outputs][scales a group]: float for q8, IEEE half for q4, and q4
/// has zero points, bytes, in the same order. What lies beyond N or K is zero, of value zero.
struct WeightView {
  PanelFormat format = PanelFormat::f32;
  std::int32_t outputs = 0, inputs = 0;
  const void* codes = nullptr;
  const void* scales = nullptr;
  const std::uint8_t* zeros = nullptr;
  const float* bias = nullptr;  ///< [N] or null
  /// bf16 numbers that an activation is the sum of in tensor cores: 1, or 2, which leaves an error of 2^-17.
  std::int32_t activation_parts = 1;
};

inline constexpr int kTile = 8, kStep = 32, kLanes = 32, kGroup = 128;

constexpr i64 tiles_of(i64 outputs) noexcept {
  return (outputs + kTile - 1) / kTile;
}
constexpr i64 steps_of(i64 inputs) noexcept {
  return (inputs + kStep - 1) / kStep;
}
constexpr i64 groups_of(i64 inputs) noexcept {
  return (inputs + kGroup - 1) / kGroup;
}
/// Scales that 128 inputs of an output have.
constexpr int scales_a_group(PanelFormat format) noexcept {
  return format == PanelFormat::q4_g32                                 ? 4
         : format == PanelFormat::q8 || format == PanelFormat::q4_g128 ? 1
                                                                       : 0;
}
/// Bytes of the codes of a tile.
constexpr i64 tile_bytes(PanelFormat format, i64 inputs) noexcept {
  switch (format) {
    case PanelFormat::f32:
      return steps_of(inputs) * kLanes * 8 * 4;
    case PanelFormat::bf16:
      return steps_of(inputs) * kLanes * 8 * 2;
    case PanelFormat::q8:
      return groups_of(inputs) * kTile * kGroup;
    default:
      return groups_of(inputs) * kTile * kGroup / 2;
  }
}

/// Bytes of a weight on the device, but its bias.
constexpr i64 weight_bytes(PanelFormat format, i64 outputs, i64 inputs) noexcept {
  const i64 scales = tiles_of(outputs) * groups_of(inputs) * kTile * scales_a_group(format);
  return tiles_of(outputs) * tile_bytes(format, inputs) + scales * (format == PanelFormat::q8 ? 4 : 2 + 1);
}

/// Panels of 16 outputs, as the host packs them (kernels/formats.hpp), into tiles: panel p becomes tiles 2 p, 2 p + 1.
/// grid: (panels, blocks of 128 inputs)
struct Repack {
  const void* panels = nullptr;  ///< `count` panels
  i64 panel_stride = 0;          ///< bytes
  std::int32_t first = 0;        ///< index of the first one in the weight
  WeightView weight;             ///< written through
};

/// Where input i of 8 lies among the bytes of q8.
constexpr int q8_place(int i) noexcept {
  return (i & 4) | (i & 1) << 1 | (i >> 1 & 1);
}

/// Ranges of whole groups into which the sum over K is cut, by K alone: they are added in their order, whether the warps of a
/// block take one each or a warp takes one after the other. Four for wide products; where K is long, the outputs are few,
/// and more warps share one.
constexpr int ranges_of(i64 inputs) noexcept {
  return inputs > 8192 ? 16 : 4;
}
constexpr i64 groups_a_range(i64 inputs) noexcept {
  return (groups_of(inputs) + ranges_of(inputs) - 1) / ranges_of(inputs);
}

enum class Activation : std::int32_t { none, gelu_tanh, gelu_erf, swiglu };

/// Y = f(X W^T + bias), or Y += X W^T + bias.    shape: x [M, K], y [M, N]
struct Linear {
  const float* x = nullptr;
  i64 x_stride = 0;
  float* y = nullptr;
  i64 y_stride = 0;
  std::int32_t rows = 0;
  std::int32_t add = 0;  ///< to what is in Y
  WeightView weight;
  Activation activation = Activation::none;  ///< f, a gelu; of products in tensor cores that do not add
};

/// What becomes of the products of normed rows, in the block that has made them: two tiles of outputs at a time.
enum class Ending : std::int32_t {
  store,   ///< y [M, N]
  swiglu,  ///< y [M, N / 2] = silu(gate) * up of the outputs n and N / 2 + n, of whole tiles
  heads,  ///< queries, keys and values of attention; tiles half a head apart, since rope turns (p, p + D / 2)
};

/// Where the key and the value of a row go: token `token` of a sequence with these pages.
struct KvPlace {
  const std::uint64_t* pages = nullptr;
  i64 token = 0;
};

/// Outputs are H heads of queries, which go to y [M, H D], then G of keys and G of values, which go to pages of planes. The
/// first two are turned.    shape: cos, sin [M, D / 2]; D a multiple of two tiles
struct Heads {
  const float *cos = nullptr, *sin = nullptr;
  i64 cos_stride = 0, sin_stride = 0;
  const KvPlace* places = nullptr;               ///< [M]
  i64 layer_offset = 0;                          ///< see KvPages
  std::int32_t queries = 0, keys = 0, size = 0;  ///< H, G, D
  std::int32_t planes = 0;
};

/// The product of x / sqrt(mean(x^2) + eps) * norm, and its ending. Rows are multiplied by `norm` as they are read and their
/// sums by 1 / sqrt(..), once a block has seen all of a row.    shape: norm [K], K at most 8192
struct NormedLinear {
  Linear product;
  const float* norm = nullptr;
  float eps = 0;
  Ending ending = Ending::store;
  Heads heads;
};
inline constexpr i64 kMostNormedInputs = 8192;

/// y_t = row ids_t of W, widened or dequantised. With summaries, as Summarize writes them, ids_t is the number of one, whose
/// first id counts; where that is none, 0 does.
struct Embedding {
  WeightView weight;
  const std::int32_t* ids = nullptr;
  float* y = nullptr;
  i64 y_stride = 0;
  const float* summaries = nullptr;
  i64 summary_stride = 0;
};

/// y_t = x row rows_t.
struct Gather {
  const float* x = nullptr;
  i64 x_stride = 0;
  const std::int32_t* rows = nullptr;
  float* y = nullptr;
  i64 y_stride = 0;
  std::int32_t columns = 0;
};

/// LayerNorm, or RMSNorm where there is no bias; a block a row.
struct Norm {
  const float* x = nullptr;
  i64 x_stride = 0;
  const float *weight = nullptr, *bias = nullptr;
  float eps = 0;
  std::int32_t columns = 0;
  float* y = nullptr;
  i64 y_stride = 0;
};

/// x [T, H, D]; cos, sin [T, D / 2]; a block a token.
struct RopeTurn {
  float* x = nullptr;
  i64 x_stride = 0, head_stride = 0;
  const float *cos = nullptr, *sin = nullptr;
  i64 cos_stride = 0, sin_stride = 0;
  std::int32_t heads = 0, size = 0;
  std::int32_t interleaved = 0;  ///< pairs (2p, 2p + 1), else (p, p + D / 2)
};

/// y = f(x), or silu(x) * up for swiglu.    grid: (T, blocks of columns)
struct Elementwise {
  const float* x = nullptr;
  i64 x_stride = 0;
  const float* up = nullptr;  ///< swiglu: rows of x's stride
  float* y = nullptr;
  i64 y_stride = 0;
  std::int32_t columns = 0;
  Activation activation = Activation::gelu_tanh;
};

/// x = exp(x - max) / sum; a row of only -inf becomes zeros. y: the ids of the largest, falling, the lower first among equals,
/// as floats, their values, and those at `ids`. A block a row, of a multiple of 32 threads.
struct Summarize {
  float* x = nullptr;
  i64 x_stride = 0;
  std::int32_t columns = 0;
  const std::int32_t* ids = nullptr;
  std::int32_t count = 0;  ///< of ids
  float* y = nullptr;
  i64 y_stride = 0;
};
inline constexpr int kSummaryBest = 5;
/// Floats of its shared memory: the largest of each thread, and their ids.
constexpr int summarize_floats(int threads) noexcept {
  return 2 * kSummaryBest * threads;
}

/// Ids that blocks are read by, see la::SpecialTokens.
struct BlockTokens {
  std::int32_t box_start, box_end, ref_start, ref_end, coord_first, coord_last, none, mask, null, end;
};
/// A block's first row of summaries, and the tokens of its sequence before it.
struct PendingBlock {
  std::int32_t summary = 0, length = 0;
};

/// What a pass feeds behind blocks that nobody has read yet, kFeedRows rows a block: la::write_block_feed is the reference.
/// Summaries are those of Summarize whose ids begin with those of BlockNumber.
/// shape: ids [T] apart by id_stride, angles, visible [T]; wanted, wanted_visible [6 blocks]; a block of threads a block
struct FollowBlocks {
  const float* summaries = nullptr;
  i64 summary_stride = 0;
  const PendingBlock* blocks = nullptr;
  BlockTokens special;
  float* ids = nullptr;
  i64 id_stride = 0;
  std::int32_t* angles = nullptr;
  KeyMask* visible = nullptr;
  std::int32_t* wanted = nullptr;
  KeyMask* wanted_visible = nullptr;
};
inline constexpr int kBlockRows = 6, kFeedRows = 2 * kBlockRows;
/// The first probabilities of a summary behind the largest.
enum BlockNumber { kOfBoxStart, kOfBoxEnd, kOfRefStart, kOfNone, kOfNull, kOfEnd, kBlockNumbers };
/// Floats of a summary that a block is read from, and of shared memory: those of its rows, and its tokens and their count.
inline constexpr int kBlockFloats = 2 * kSummaryBest + kBlockNumbers;
inline constexpr int kFollowFloats = kBlockRows * kBlockFloats + kBlockRows + 1;

/// Four sources and weights of an output position along one axis.
struct Taps {
  std::int32_t index[4];
  float weight[4];
};

/// y [gh, gw, C] = grid [h, w, C] at rows and columns of taps.    grid: (gh gw, blocks of channels)
struct Bicubic {
  const float* grid = nullptr;
  i64 row_stride = 0, column_stride = 0;
  const Taps *rows = nullptr, *columns = nullptr;
  float* y = nullptr;
  i64 y_row_stride = 0, y_column_stride = 0;
  std::int32_t width = 0, channels = 0;
};

/// Inputs [first, first + count) of an output along one axis.
struct TapRange {
  std::int32_t first = 0, count = 0;
};

/// Fraction bits of the weights of resize_rows and resize_columns, and of their sums.
inline constexpr int kPixelBits = 22;

/// A pass of a resize of RGB bytes along one axis, in whole numbers: y [H, W, 3] of x [H, inputs, 3] or [inputs, W, 3].
/// y = (half + sum of weights x) >> kPixelBits, held in 0 .. 255
/// grid: (H times `blocks` of a row's pixels, or of its bytes for resize_columns)
struct ResizePass {
  const std::uint8_t* x = nullptr;
  std::uint8_t* y = nullptr;
  const TapRange* ranges = nullptr;       ///< [outputs] of the axis
  const std::int32_t* weights = nullptr;  ///< [taps][outputs], so that neighbours read neighbours
  std::int32_t inputs = 0, width = 0, height = 0, blocks = 0;
};

/// y_t [3, size, size] = patch first + t of a picture of `grid_w` patches a row, byte by byte through a table. A block a patch.
struct PatchRows {
  const std::uint8_t* pixels = nullptr;  ///< [.., grid_w size, 3]
  const float* table = nullptr;          ///< [3][256]
  std::int32_t first = 0, grid_w = 0, size = 0;
  float* y = nullptr;
  i64 y_stride = 0;
};

/// Where keys and values lie: pages of 64 tokens; in a page for every layer and head its K and then its V.
///
///   f32     [64][D] float
///   planes  K [planes][64][row], V [planes][16][row][4] of 16 bits: four neighbouring keys of a channel lie together. One
///           plane: IEEE halves; two: upper halves of floats, a number is their sum. row: D and zeros up to a multiple of 8
struct KvPages {
  const std::uint64_t* pages = nullptr;  ///< [pages] device addresses
  i64 layer_offset = 0;                  ///< elements from the start of a page to the layer's keys
};

/// K and V of tokens first .. first + T - 1.    shape: k, v [T, G, D]; a block a token
struct KvWrite {
  KvPages to;
  std::int32_t first = 0, heads = 0, size = 0;
  const float *k = nullptr, *v = nullptr;
  i64 k_stride = 0, k_head_stride = 0, v_stride = 0, v_head_stride = 0;
  std::int32_t planes = 0;  ///< of pages that are not f32
};

/// Numbers from key to key in a plane of a page.
constexpr int key_row(int size) noexcept {
  return (size + 7) / 8 * 8;
}

/// Keys that attention_exact sums by themselves: a row's parts are merged in their order, whoever computed them. In tensor
/// cores a part is a page.
inline constexpr int kAttentionPart = 4 * kPageKeys;
/// Pairs of a token and a query head that share the keys of a block; of attention_many there are more.
inline constexpr int kAttentionPairs = 16, kManyPairs = 64;
/// Values of a head; of one that attention_*_usual takes, which is written for the vision tower's.
inline constexpr int kMaxHeadSize = 128, kUsualHeadSize = 72;

/// Floats of shared memory of linear_exact, 16 mt rows a block: weights [64][32 + 4] and activations [16 mt][64 + 1]. Rows
/// are longer than they need be so that the threads of neither a row nor a column share a bank.
constexpr int exact_linear_floats(int mt) noexcept {
  return 64 * 36 + 16 * mt * 65;
}
/// Rows and outputs of a block of linear_many, four warps of 16 outputs.
inline constexpr int kManyRows = 64, kManyOutputs = 64;
/// Floats of its shared memory: sums of the ranges before, and parts of activations, as bf16; of normed rows the squares of
/// each 8 inputs of a group, and those of the row before.
constexpr int many_tensor_floats(int activation_parts, bool normed) noexcept {
  return kManyRows * kManyOutputs + activation_parts * kManyRows * kGroup / 2 +
         (normed ? kManyRows * (kGroup / 8 + 1) : 0);
}
/// The same of linear_few with `warps` ranges: their sums of 16 rows x 16 outputs, and of the squares of normed rows.
constexpr int few_tensor_floats(int warps, bool normed) noexcept {
  return warps * (256 + (normed ? 16 : 0));
}

/// Floats from key to key in the shared memory of attention_exact: 16 bytes more than they need, so that eight threads at
/// eight keys share no bank.
constexpr int exact_key_stride(int size) noexcept {
  return (size + 3) / 4 * 4 + 4;
}
/// Floats of shared memory of attention_exact: queries and scores of 16 pairs, and a page of keys.
constexpr int exact_attention_floats(int size) noexcept {
  return kAttentionPairs * (size + 1 + kPageKeys + 1) + kPageKeys * exact_key_stride(size);
}

/// Words from key to key, and from four values to the next four, in the shared memory of attention in tensor cores: the 16
/// lanes that read 8 bytes each at a time share no bank.
constexpr int tensor_key_words(int most) noexcept {
  return 8 * ((most + 15) / 16 | 1);
}
constexpr int tensor_value_words(int most) noexcept {
  return 2 * key_row(most) + 8;
}
/// Floats of its shared memory: a page of keys and of values, and of few pairs their weights and largest scores, of many the
/// second plane of the queries.
constexpr int tensor_attention_floats(int planes, bool few) noexcept {
  const int most = planes == 1 ? kUsualHeadSize : kMaxHeadSize;
  return planes * (kPageKeys * tensor_key_words(most) + kPageKeys / 4 * tensor_value_words(most)) +
         (few           ? planes * kPageKeys / 16 * kLanes * 4 + 4 * kAttentionPairs
          : planes == 2 ? (most + 15) / 16 * kThreads * 4
                        : 0);
}

/// `count` pairs from `first` on of the rows [begin, ..) of a sequence; pair i is token begin + i / (H / G). The same in every
/// layer.
struct AttentionTask {
  const std::uint64_t* pages = nullptr;
  std::int32_t begin = 0, kv_head = 0, first = 0, count = 0;
};

/// out = softmax(scale q . k) v over the visible keys, task by task. In place.    shape: q, out [T, H, D]
/// Split, block (task, part) takes one part of the keys and writes to `partial`. Then attention_merge ends the rows; in tensor
/// cores the block of a task that is the last to end does. There scores are to the base of two: `scale` is log2(e) times the
/// op's.
/// grid: (tasks, parts or 1)
struct AttentionRows {
  const AttentionTask* tasks = nullptr;
  i64 layer_offset = 0;              ///< of the keys, see KvPages
  const KeyMask* visible = nullptr;  ///< [T]
  const float* q = nullptr;
  float* out = nullptr;
  i64 q_stride = 0, q_head_stride = 0, out_stride = 0, out_head_stride = 0;
  std::int32_t heads = 0, group = 0, size = 0;  ///< H, H / G, D
  float scale = 1;
  /// [T, H, parts, D + 2]: sums, then the total and the largest score; null: not split. In tensor cores there are zeros from
  /// the sums to the next multiple of 8, and rows of tensor_part_floats
  float* partial = nullptr;
  std::int32_t parts = 0;
  std::uint32_t* ended =
      nullptr;  ///< [tasks] in tensor cores: blocks of the task that have ended; zeros before and after
};

/// 16 bytes more than the sums.
constexpr int tensor_part_floats(int size) noexcept {
  return key_row(size) + 4;
}

}  // namespace la::inline LA_ABI::kernels::cuda
