#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "la.h"

// la.h with handles that free themselves, for C++11 and later, with or without exceptions and RTTI. Nothing here throws
// but what the standard library does when memory runs out. Errors are values: a Status, or a handle that is empty.
namespace la {
namespace c {

/// LA_OK, or what went wrong and why.
struct Status {
  la_status code = LA_OK;
  std::string message;

  explicit operator bool() const noexcept { return code == LA_OK; }
};

inline Status status_of(la_status code) {
  Status status;
  status.code = code;
  if (code != LA_OK) status.message = la_last_error();
  return status;
}

struct Free {
  void operator()(la_session* session) const noexcept { la_close(session); }
  void operator()(la_image* image) const noexcept { la_image_free(image); }
  void operator()(la_answer* answer) const noexcept { la_answer_free(answer); }
  void operator()(la_stop* stop) const noexcept { la_stop_free(stop); }
};

template <class T>
using Handle = std::unique_ptr<T, Free>;
using Session = Handle<la_session>;
using Image = Handle<la_image>;
using Answer = Handle<la_answer>;
using Stop = Handle<la_stop>;

/// Each fills `out`, which is empty when the status is not LA_OK; see the function of la.h.
inline Status open(const std::string& directory_or_id, Session& out,
                   const la_open_options* options = nullptr) {
  la_session* made = nullptr;
  const la_status code = la_open(directory_or_id.c_str(), options, &made);
  out.reset(made);
  return status_of(code);
}

inline Status encode(const Session& session, const std::string& path, Image& out) {
  la_image* made = nullptr;
  const la_status code = la_encode_file(session.get(), path.c_str(), &made);
  out.reset(made);
  return status_of(code);
}

inline Status encode(const Session& session, const void* bytes, size_t size, Image& out) {
  la_image* made = nullptr;
  const la_status code = la_encode_bytes(session.get(), bytes, size, &made);
  out.reset(made);
  return status_of(code);
}

inline Status encode(const Session& session, const uint8_t* pixels, int64_t width, int64_t height,
                     size_t stride, Image& out) {
  la_image* made = nullptr;
  const la_status code = la_encode_rgb(session.get(), pixels, width, height, stride, &made);
  out.reset(made);
  return status_of(code);
}

inline Status ask(const Session& session, const Image& image, const char* task, const std::string& phrase,
                  Answer& out, const la_ask_options* options = nullptr) {
  la_answer* made = nullptr;
  const la_status code = la_ask(session.get(), image.get(), task, phrase.c_str(), options, &made);
  out.reset(made);
  return status_of(code);
}

inline Status batch(const Session& session, const std::vector<la_request>& requests,
                    std::vector<Answer>& out) {
  std::vector<la_answer*> made(requests.size());
  out.clear();
  out.reserve(requests.size());
  const la_status code = la_batch(session.get(), requests.data(), requests.size(), made.data());
  for (la_answer* answer : made)
    if (answer) out.emplace_back(answer);
  return status_of(code);
}

/// The labels live as long as the answer.
inline std::vector<la_item> items(const Answer& answer) {
  std::vector<la_item> all(la_answer_count(answer.get()));
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].size = sizeof(la_item);
    la_answer_item(answer.get(), i, &all[i]);
  }
  return all;
}

}  // namespace c
}  // namespace la
