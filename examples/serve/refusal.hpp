#pragma once

#include <httplib.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "la/la.hpp"

// How each interface says no.
namespace la::cli {

/// A request that is answered with an error. OpenAI's form names the parameter and has a code.
class Refusal : public std::exception {
 public:
  Refusal(int its_status, std::string its_why, std::string its_param = "", std::string its_code = "")
      : status(its_status), why(std::move(its_why)), param(std::move(its_param)), code(std::move(its_code)) {}
  const char* what() const noexcept override { return why.c_str(); }

  int status;
  std::string why, param, code;
};

enum class Dialect { la, openai, localai, deepstack };

inline Dialect dialect_of(std::string_view path) {
  if (path.starts_with("/v1/vision/")) return Dialect::deepstack;
  if (path == "/v1/detection") return Dialect::localai;
  return path.starts_with("/v1/chat/") || path == "/v1/models" || path.starts_with("/v1/models/")
             ? Dialect::openai
             : Dialect::la;
}

/// As OpenAI's clients sort them.
inline std::string_view openai_type(int status) {
  return status == 401   ? "authentication_error"
         : status == 429 ? "rate_limit_error"
         : status >= 500 ? "server_error"
                         : "invalid_request_error";
}

/// One object on one line.
inline std::string error_json(Dialect dialect, const Refusal& refusal) {
  const std::string why = json_quote(refusal.why);
  const auto or_null = [](const std::string& text) { return text.empty() ? "null" : json_quote(text); };
  switch (dialect) {
    case Dialect::openai:
      return "{\"error\":{\"message\":" + why + ",\"type\":" + json_quote(openai_type(refusal.status)) +
             ",\"param\":" + or_null(refusal.param) + ",\"code\":" + or_null(refusal.code) + "}}";
    case Dialect::localai:
      return "{\"error\":{\"code\":" + std::to_string(refusal.status) + ",\"message\":" + why +
             ",\"type\":" + json_quote(openai_type(refusal.status)) + "}}";
    case Dialect::deepstack:
      return "{\"success\":false,\"error\":" + why + "}";
    case Dialect::la:
      break;
  }
  return "{\"error\":" + why + "}";
}

inline void refuse(Dialect dialect, httplib::Response& response, const Refusal& refusal) {
  response.status = refusal.status;
  if (refusal.status == 429 || refusal.status == 503) response.set_header("Retry-After", "1");
  if (refusal.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  response.set_content(error_json(dialect, refusal) + "\n", "application/json");
}

/// What an answer that failed is refused with.
inline Refusal refusal_of(const Result& result) {
  return {result.error_kind == ErrorKind::usage ? 400 : 500, result.error};
}

}  // namespace la::cli
