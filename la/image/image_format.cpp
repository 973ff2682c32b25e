#include "image_format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "../core/error.hpp"
#include "../core/git_lfs.hpp"

namespace la::inline LA_ABI {
namespace detail {

/// What reading a format takes.
struct FormatSupport {
  ImageFormat format;
  const char* name;
  bool built_in;
  const char* macro;    ///< of header-only programs
  const char* package;  ///< Debian's
};

#if defined(LA_WITH_WEBP)
inline constexpr bool kWithWebp = true;
#else
inline constexpr bool kWithWebp = false;
#endif
#if defined(LA_WITH_HEIF)
inline constexpr bool kWithHeif = true;
#else
inline constexpr bool kWithHeif = false;
#endif
#if defined(LA_WITH_GIF)
inline constexpr bool kWithGif = true;
#else
inline constexpr bool kWithGif = false;
#endif
#if defined(LA_WITH_TIFF)
inline constexpr bool kWithTiff = true;
#else
inline constexpr bool kWithTiff = false;
#endif

/// In the order of ImageFormat.
inline constexpr std::array<FormatSupport, 8> kFormatSupport{
    {{ImageFormat::jpeg, "JPEG", true, "", ""},
     {ImageFormat::png, "PNG", true, "", ""},
     {ImageFormat::bmp, "BMP", true, "", ""},
     {ImageFormat::webp, "WebP", kWithWebp, "LA_WITH_WEBP", "libwebp-dev"},
     {ImageFormat::heic, "HEIC", kWithHeif, "LA_WITH_HEIF", "libheif-dev"},
     {ImageFormat::avif, "AVIF", kWithHeif, "LA_WITH_HEIF", "libheif-dev"},
     {ImageFormat::gif, "GIF", kWithGif, "LA_WITH_GIF", "libgif-dev"},
     {ImageFormat::tiff, "TIFF", kWithTiff, "LA_WITH_TIFF", "libtiff-dev"}}};

/// Bytes that a kind of file has at an offset.
struct FileSignature {
  std::string_view bytes;
  std::size_t at;
  const char* what;
};

using namespace std::string_view_literals;
inline constexpr std::array kForeignSignatures{
    FileSignature{"%PDF-"sv, 0, "a PDF document"},
    FileSignature{"\xff\x0a"sv, 0, "a JPEG XL image"},
    FileSignature{"\0\0\0\x0cJXL "sv, 0, "a JPEG XL image"},
    FileSignature{"\0\0\0\x0cjP  "sv, 0, "a JPEG 2000 image"},
    FileSignature{"\xff\x4f\xff\x51"sv, 0, "a JPEG 2000 image"},
    FileSignature{"8BPS"sv, 0, "a Photoshop document"},
    FileSignature{"\0\0\1\0"sv, 0, "a Windows icon"},
    FileSignature{"qoif"sv, 0, "a QOI image"},
    FileSignature{"\x76\x2f\x31\x01"sv, 0, "an OpenEXR image"},
    FileSignature{"#?RADIANCE"sv, 0, "a Radiance HDR image"},
    FileSignature{"FUJIFILMCCD-RAW"sv, 0, "a camera's raw image"},
    FileSignature{"ftypcrx "sv, 4, "a camera's raw image"},
    FileSignature{"ftyp"sv, 4, "a video (MP4 or QuickTime)"},
    FileSignature{"\x1a\x45\xdf\xa3"sv, 0, "a video (Matroska or WebM)"},
    FileSignature{"RIFF"sv, 0, "a sound or video (RIFF)"},
    FileSignature{"PK\3\4"sv, 0, "a ZIP archive"},
    FileSignature{"\x1f\x8b"sv, 0, "a gzip file"},
    FileSignature{"GGUF"sv, 0, "a GGUF model"},
};

/// The file format of an ISO media file (ISO/IEC 14496-12) by its major brand, or by a compatible one where the major
/// brand leaves the codec open.
inline std::optional<ImageFormat> sniff_heif(std::string_view file) noexcept {
  if (file.size() < 16 || file.substr(4, 4) != "ftyp") return std::nullopt;
  const auto is_avif = [](std::string_view brand) { return brand == "avif" || brand == "avis"; };
  const std::string_view major = file.substr(8, 4);
  if (is_avif(major)) return ImageFormat::avif;
  constexpr std::array kHevcBrands{"heic"sv, "heix"sv, "heim"sv, "heis"sv,
                                   "hevc"sv, "hevx"sv, "hevm"sv, "hevs"sv};
  if (std::find(kHevcBrands.begin(), kHevcBrands.end(), major) != kHevcBrands.end()) return ImageFormat::heic;
  if (major != "mif1" && major != "msf1") return std::nullopt;
  const auto byte = [&](std::size_t i) { return std::size_t(static_cast<unsigned char>(file[i])); };
  const std::size_t box = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  for (std::size_t at = 16; at + 4 <= std::min(box, file.size()); at += 4)
    if (is_avif(file.substr(at, 4))) return ImageFormat::avif;
  return ImageFormat::heic;
}

inline bool is_text(std::string_view bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n' || c == '\r';
  });
}

/// What text it is: what web servers send in place of a picture, mostly.
inline std::string describe_text(std::string_view text) {
  std::string head(text.substr(0, 1024));
  for (char& c : head) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  const std::size_t begin =
      head.find_first_not_of(" \t\r\n\xef\xbb\xbf");  // the last three are a byte order mark
  const std::string_view start = begin == std::string::npos ? "" : std::string_view(head).substr(begin);
  if (start.starts_with("<!doctype html") || start.starts_with("<html")) return "an HTML page";
  if (start.starts_with("<") && head.find("<svg") != std::string::npos)
    return "an SVG drawing, which has no pixels";
  if (start.starts_with("<?xml")) return "an XML file";
  return "text";
}

}  // namespace detail

LA_INLINE const char* name_of(ImageFormat format) noexcept {
  return detail::kFormatSupport[std::size_t(format)].name;
}

LA_INLINE std::optional<ImageFormat> sniff_image_format(std::span<const std::byte> bytes) noexcept {
  using namespace std::string_view_literals;
  const std::string_view file = detail::text_of(bytes);
  if (file.starts_with("\xff\xd8\xff")) return ImageFormat::jpeg;
  if (file.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::png;
  if (file.starts_with("BM")) return ImageFormat::bmp;
  if (file.starts_with("RIFF") && file.size() >= 12 && file.substr(8, 4) == "WEBP") return ImageFormat::webp;
  if (file.starts_with("GIF87a") || file.starts_with("GIF89a")) return ImageFormat::gif;
  for (const std::string_view tiff : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (file.starts_with(tiff)) return ImageFormat::tiff;
  return detail::sniff_heif(file);
}

LA_INLINE bool can_decode(ImageFormat format) noexcept {
  return detail::kFormatSupport[std::size_t(format)].built_in;
}

LA_INLINE std::string decodable_formats() {
  std::string names;
  for (const detail::FormatSupport& support : detail::kFormatSupport)
    if (support.built_in) names += (names.empty() ? "" : ", ") + std::string(support.name);
  return names;
}

LA_INLINE std::string describe_foreign_file(std::span<const std::byte> bytes) {
  const std::string_view file = detail::text_of(bytes);
  if (file.empty()) return "an empty file";
  if (is_git_lfs_pointer(file)) return kGitLfsPointer;
  for (const detail::FileSignature& signature : detail::kForeignSignatures)
    if (file.size() >= signature.at && file.substr(signature.at).starts_with(signature.bytes))
      return signature.what;
  if (file.size() > 2 && file[0] == 'P' && file[1] >= '1' && file[1] <= '7' &&
      (file[2] == ' ' || file[2] == '\n'))
    return "a Netpbm image";
  if (detail::is_text(file.substr(0, 1024))) return detail::describe_text(file);
  std::string head;
  for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 8))) {
    char digits[4];
    std::snprintf(digits, sizeof digits, " %02x", std::to_integer<unsigned>(byte));
    head += digits;
  }
  return "an unknown format that begins with" + head;
}

LA_INLINE ImageFormat require_image_format(std::span<const std::byte> bytes, const std::string& name) {
  const std::optional<ImageFormat> format = sniff_image_format(bytes);
  require(format.has_value(), name, ": expected a picture (", decodable_formats(), "), found ",
          format ? "" : describe_foreign_file(bytes));
  const detail::FormatSupport& support = detail::kFormatSupport[std::size_t(*format)];
  require(support.built_in, name, ": a ", support.name,
          " picture, which this build does not decode: install ", support.package,
          " and build again (header-only programs: with -D", support.macro, ")");
  return *format;
}

}  // namespace la::inline LA_ABI
