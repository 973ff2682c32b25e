#pragma once

#include <httplib.h>

#include <array>
#include <string>
#include <string_view>

#include "../cli/model_flags.hpp"
#include "la/la.hpp"

namespace la::cli {

/// The files of examples/web, read once: no request names a file.
class WebPage {
 public:
  struct File {
    std::string_view path, name, type;
    std::string content{};
  };

  /// Where they are: beside an installed program's models, or in the source tree.
  static std::string directory() {
    std::error_code ignored;
    const std::string installed = data_directory() + "/web";
    return std::filesystem::is_directory(installed, ignored) ? installed : LA_DATA_DIR "/../examples/web";
  }

  /// error: a file is missing
  explicit WebPage(const std::string& directory) {
    for (File& file : files_)
      file.content = read_whole_file(directory + "/" + std::string(file.name), 1 << 20);
  }

  const auto& files() const noexcept { return files_; }

  static void serve(const File& file, httplib::Response& response) {
    response.set_header(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src *; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    response.set_header("Referrer-Policy", "no-referrer");
    response.set_header("Cache-Control", "no-cache");
    response.set_content(file.content, std::string(file.type));
  }

 private:
  std::array<File, 3> files_{{{"/", "index.html", "text/html; charset=utf-8"},
                              {"/style.css", "style.css", "text/css; charset=utf-8"},
                              {"/app.js", "app.js", "text/javascript; charset=utf-8"}}};
};

}  // namespace la::cli
