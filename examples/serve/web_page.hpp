#pragma once

#include <httplib.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../cli/model_flags.hpp"
#include "la/la.hpp"

namespace la::cli {

/// The page, of examples/web or with la in WebAssembly beside it: files read once, no request names one.
class WebPage {
 public:
  struct File {
    std::string path, type, content;
  };

  /// Where they are: beside an installed program's models, or in the source tree.
  static std::string directory() {
    std::error_code ignored;
    const std::string installed = data_directory() + "/web";
    return std::filesystem::is_directory(installed, ignored) ? installed : LA_DATA_DIR "/../examples/web";
  }

  /// error: a file is missing, of the page or of what its program consists of
  explicit WebPage(const std::string& directory) {
    add(directory, "index.html", "/", "text/html; charset=utf-8");
    add(directory, "style.css", "/style.css", "text/css; charset=utf-8");
    add(directory, "app.js", "/app.js", kScript);
    std::error_code ignored;
    with_program_ = std::filesystem::exists(directory + "/la.wasm", ignored);
    if (!with_program_) return;
    for (const char* name : {"local.js", "engine.js", "la.js", "la-threads.js"})
      add(directory, name, std::string("/") + name, kScript);
    for (const char* name : {"la.wasm", "la-threads.wasm"})
      add(directory, name, std::string("/") + name, "application/wasm");
    for (const char* name : {"config.json", "generation_config.json", "preprocessor_config.json",
                             "tokenizer.json", "tokenizer_config.json", "model.safetensors"})
      add(directory, std::string("model/") + name, std::string("/model/") + name, "application/octet-stream");
    constexpr const char* kOfThreads = "la-threads.worker.js";  // of emscripten before 3.1.58
    if (std::filesystem::exists(directory + "/" + kOfThreads, ignored))
      add(directory, kOfThreads, std::string("/") + kOfThreads, kScript);
  }

  const auto& files() const noexcept { return files_; }
  bool has(std::string_view path) const noexcept {
    return std::any_of(files_.begin(), files_.end(), [&](const File& file) { return file.path == path; });
  }

  /// Browsers let a page share memory among threads that no other page's window or file can be together with. They want
  /// these of every file; one that is missing has them too.
  static void isolate(httplib::Response& response) {
    response.set_header("Cross-Origin-Opener-Policy", "same-origin");
    response.set_header("Cross-Origin-Embedder-Policy", "require-corp");
    response.set_header("Cross-Origin-Resource-Policy", "same-origin");
  }

  void serve(const File& file, httplib::Response& response) const {
    response.set_header("Content-Security-Policy",
                        std::string("default-src 'none'; script-src 'self'") +
                            (with_program_ ? " 'wasm-unsafe-eval'" : "") +
                            "; style-src 'self'; img-src blob: data:; connect-src *; "
                            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    response.set_header("Referrer-Policy", "no-referrer");
    response.set_header("Cache-Control", "no-cache");
    response.set_content(file.content, file.type);
  }

 private:
  static constexpr const char* kScript = "text/javascript; charset=utf-8";
  static constexpr std::size_t kMost = 64 << 20;  // bytes of a file

  void add(const std::string& directory, const std::string& name, std::string path, const char* type) {
    files_.push_back({std::move(path), type, read_whole_file(directory + "/" + name, kMost)});
  }

  std::vector<File> files_;
  bool with_program_ = false;
};

}  // namespace la::cli
