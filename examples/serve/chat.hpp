#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../cli/report.hpp"
#include "ground_request.hpp"
#include "la/text/unicode.hpp"
#include "refusal.hpp"

// OpenAI's chat completions: one user message with pictures, answered with the model's text.
namespace la::cli {

struct ChatRequest {
  bool stream = false, include_usage = false;
  std::vector<SentImages::Pointer> images;
  PromptText question;
  AskOptions ask;
  i64 max_side = 0;
};

namespace chat {

inline constexpr i64 kMaxImages = 16, kLowDetailSide = 512;

/// A parameter that would change what is answered, at the value where it changes nothing.
inline bool says_nothing(simdjson::dom::element value) {
  if (value.is_null()) return true;
  if (value.is_bool()) return !value.get_bool().value_unsafe();
  if (value.is_array()) return value.get_array().value_unsafe().size() == 0;
  if (value.is_object()) return value.get_object().value_unsafe().size() == 0;
  double number = 1;
  return value.get(number) == simdjson::SUCCESS && number == 0;
}

inline bool among(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

[[noreturn]] inline void refuse_value(std::string_view name, std::string_view expected,
                                      simdjson::dom::element found) {
  std::string shown = simdjson::minify(found);
  if (shown.size() > 100) shown = shown.substr(0, 100) + "...";
  throw Refusal(400, detail::concat(name, ": expected ", expected, ", found ", to_valid_utf8(shown)),
                std::string(name), "unsupported_value");
}

inline std::string_view text_of(simdjson::dom::element value, std::string_view name) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) refuse_value(name, "a string", value);
  return text;
}

inline bool bool_of(simdjson::dom::element value, std::string_view name) {
  bool yes = false;
  if (!value.is_null() && value.get(yes) != simdjson::SUCCESS) refuse_value(name, "true or false", value);
  return yes;
}

/// What is known before pictures are decoded.
struct Draft {
  ChatRequest request;
  std::string model, text, task;
  std::vector<std::string> images;
  ModelFlags flags;
};

inline void read_image_url(simdjson::dom::element value, const std::string& place, Draft& draft) {
  simdjson::dom::element url = value, detail;
  simdjson::dom::object object;
  if (value.get(object) == simdjson::SUCCESS) {
    if (object.at_key("url").get(url) != simdjson::SUCCESS)
      refuse_value(place + ".image_url", "a url", value);
    if (object.at_key("detail").get(detail) == simdjson::SUCCESS && !detail.is_null()) {
      const std::string_view how = text_of(detail, place + ".image_url.detail");
      if (!among(how, {"auto", "low", "high"}))
        refuse_value(place + ".image_url.detail", "auto, low or high", detail);
      if (how == "low") draft.request.max_side = kLowDetailSide;
    }
  }
  const std::string name = place + ".image_url.url";
  if (i64(draft.images.size()) >= kMaxImages)
    throw Refusal(400, la::detail::concat("messages: expected at most ", kMaxImages, " pictures"),
                  "messages");
  try {
    draft.images.push_back(sent_bytes(text_of(url, name)));
  } catch (const Error& error) {
    throw Refusal(400, name + ": " + error.what(), name, "invalid_image_url");
  }
}

inline void read_content(simdjson::dom::element content, const std::string& place, Draft& draft) {
  std::string_view text;
  if (content.get(text) == simdjson::SUCCESS) {
    draft.text = text;
    return;
  }
  simdjson::dom::array parts;
  if (content.get(parts) != simdjson::SUCCESS) refuse_value(place, "a string or a list of parts", content);
  std::size_t number = 0;
  for (const simdjson::dom::element part : parts) {
    const std::string at = place + "[" + std::to_string(number++) + "]";
    simdjson::dom::element value;
    if (part["type"].get(value) != simdjson::SUCCESS) refuse_value(at, "a part with a type", part);
    const std::string_view type = text_of(value, at + ".type");
    if (!among(type, {"text", "image_url"})) refuse_value(at + ".type", "text or image_url", value);
    if (part[type].get(value) != simdjson::SUCCESS)
      throw Refusal(400, at + ": expected the member " + std::string(type), at);
    if (type == "image_url")
      read_image_url(value, at, draft);
    else
      draft.text.append(draft.text.empty() ? "" : "\n").append(text_of(value, at + ".text"));
  }
}

/// One question: the model was trained on one turn, after a system's sentence that is always the same.
inline void read_messages(simdjson::dom::element value, Draft& draft) {
  simdjson::dom::array messages;
  if (value.get(messages) != simdjson::SUCCESS || messages.size() != 1)
    throw Refusal(
        400, "messages: expected one message, of the user; this model takes no system message and no history",
        "messages", "unsupported_value");
  const simdjson::dom::element message = messages.at(0).value_unsafe();
  simdjson::dom::element role, content;
  if (message["role"].get(role) != simdjson::SUCCESS || text_of(role, "messages[0].role") != "user")
    throw Refusal(400, "messages[0].role: expected user; this model takes no system message and no history",
                  "messages[0].role", "unsupported_value");
  if (message["content"].get(content) != simdjson::SUCCESS)
    throw Refusal(400, "messages[0].content: expected a string or a list of parts", "messages[0].content");
  read_content(content, "messages[0].content", draft);
}

inline void read_stream_options(simdjson::dom::element value, Draft& draft) {
  if (value.is_null()) return;
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) refuse_value("stream_options", "an object", value);
  for (const auto& [name, member] : object) {
    if (name == "include_usage")
      draft.request.include_usage = bool_of(member, "stream_options.include_usage");
    else if (name != "include_obfuscation")
      refuse_value("stream_options." + std::string(name), "include_usage", member);
  }
}

/// error: a parameter that cannot be honoured
inline void read_parameter(std::string_view name, simdjson::dom::element value, const Flags& flags,
                           Draft& draft) {
  if (name == "model") return void(draft.model = text_of(value, name));
  if (name == "messages") return read_messages(value, draft);
  if (name == "stream") return void(draft.request.stream = bool_of(value, name));
  if (name == "stream_options") return read_stream_options(value, draft);
  if (name == "task") return void(draft.task = text_of(value, name));
  // Who asks, and where it is kept or billed: of no effect on the answer.
  if (among(name, {"user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
                   "service_tier", "parallel_tool_calls", "tool_choice"}))
    return;
  if (name == "n") {
    std::int64_t count = 1;
    if (!value.is_null() && (value.get(count) != simdjson::SUCCESS || count != 1))
      refuse_value(name, "1", value);
    return;
  }
  if (name == "response_format" || name == "modalities") {
    const std::string text = simdjson::minify(value);
    if (!among(text, {"null", "{\"type\":\"text\"}", "[\"text\"]"})) refuse_value(name, "text", value);
    return;
  }
  if (among(name, {"stop", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias",
                   "tools", "functions", "function_call", "store", "audio", "prediction",
                   "web_search_options", "reasoning_effort", "verbosity"})) {
    if (!says_nothing(value)) refuse_value(name, "nothing: it cannot be honoured", value);
    return;
  }
  if (value.is_null()) return;
  std::string flag = name == "max_completion_tokens" ? "--max-tokens" : "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  // Of requests that are one row.
  if (!flags.has(flag) || among(flag, {"--tile", "--categories-per-question"}))
    throw Refusal(400, "Unrecognized request argument supplied: " + std::string(name), std::string(name));
  try {
    flags.set(flag, request_lines::flag_value(name, value));
  } catch (const Error& error) {
    throw Refusal(400, error.what(), std::string(name), "invalid_value");
  }
}

/// error: Refusal of an option that is one of a few names
inline AskOptions options_of(const ModelFlags& flags, Task task) {
  try {
    return flags.ask_options(task);
  } catch (const Error& error) {  // "--generation-mode: expected ..."
    std::string param = error.what();
    param = param.substr(0, param.find(':')).substr(param.starts_with("--") ? 2 : 0);
    std::replace(param.begin(), param.end(), '-', '_');
    throw Refusal(400, error.what(), param, "invalid_value");
  }
}

inline Task task_of(const std::string& name) {
  try {
    return name.empty() ? Task::detect : parse_task(name);
  } catch (const Error& error) {
    throw Refusal(400, error.what(), "task", "invalid_value");
  }
}

}  // namespace chat

/// The pictures stand before the text, in their order, unless it names them as `<image-K>`. Without "task" the text is the
/// question as the model reads it, special tokens included; with one it is the phrase of that task.
/// error: Refusal, with the parameter
inline ChatRequest read_chat_request(std::string_view body, const ModelFlags& defaults,
                                     std::string_view model, SentImages& images) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(body);
  const auto parsed = parser.parse(padded);
  if (parsed.error() != simdjson::SUCCESS || parsed.get(object) != simdjson::SUCCESS)
    throw Refusal(400, "expected a JSON object");
  chat::Draft draft;
  draft.flags = defaults;
  Flags flags;
  draft.flags.add_answer_to(flags);
  for (const auto& [name, value] : object) chat::read_parameter(name, value, flags, draft);
  if (draft.model.empty()) throw Refusal(400, "you must provide a model parameter", "model");
  if (draft.model != model)
    throw Refusal(
        404, "The model `" + draft.model + "` does not exist; this server has `" + std::string(model) + "`",
        "model", "model_not_found");
  if (draft.images.empty()) throw Refusal(400, "messages: expected at least one picture", "messages");
  const Task task = chat::task_of(draft.task);
  if (draft.text.empty() && task != Task::detect_text)
    throw Refusal(400, "messages: expected a text", "messages");
  ChatRequest asked = std::move(draft.request);
  for (const std::string& bytes : draft.images) {
    try {
      asked.images.push_back(images.decode(bytes, draft.flags.load_options()));
    } catch (const Error& error) {
      throw Refusal(400, error.what(), "messages", "invalid_image");
    }
  }
  asked.question = draft.task.empty() ? PromptText(draft.text) : question(task, draft.text);
  asked.ask = chat::options_of(draft.flags, task);
  if (draft.flags.max_image_side > 0) asked.max_side = draft.flags.max_image_side;
  return asked;
}

/// The text of an answer, piece by piece, in whole characters; without the token that ends it.
class AnswerText {
 public:
  explicit AnswerText(const Session& session) : session_(session) {}

  std::string add(std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids)
      if (id != session_.config().tokens.end) bytes_ += session_.tokenizer().token_text(id);
    std::size_t end = bytes_.size();
    // A character of which only the first bytes are there waits for the others.
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, bytes_.size()); ++back) {
      const auto byte = static_cast<unsigned char>(bytes_[bytes_.size() - back]);
      if ((byte & 0xc0) == 0x80) continue;
      const std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      if (length > back) end = bytes_.size() - back;
      break;
    }
    const std::string text = to_valid_utf8(bytes_.substr(0, end));
    bytes_.erase(0, end);
    return text;
  }
  std::string finish() { return to_valid_utf8(std::exchange(bytes_, {})); }

 private:
  const Session& session_;
  std::string bytes_;
};

/// What all objects of one answer begin with.
struct ChatHead {
  std::string id, model;
  std::int64_t created = 0;

  std::string json(std::string_view object) const {
    return "{\"id\":" + json_quote(id) + ",\"object\":" + json_quote(object) +
           ",\"created\":" + std::to_string(created) + ",\"model\":" + json_quote(model);
  }
};

inline std::string_view finish_reason(const Result& result) {
  return result.stop == StopReason::max_tokens ? "length" : "stop";
}

inline std::string usage_json(const Result& result) {
  const i64 prompt = result.prompt_tokens, completion = i64(result.token_ids.size());
  return "{\"prompt_tokens\":" + std::to_string(prompt) +
         ",\"completion_tokens\":" + std::to_string(completion) +
         ",\"total_tokens\":" + std::to_string(prompt + completion) +
         ",\"prompt_tokens_details\":{\"cached_tokens\":" + std::to_string(result.shared_tokens) + "}}";
}

/// Beside OpenAI's members, `items` has what was found, as in answers of /v1/ground.
inline std::string completion_json(const ChatHead& head, const Result& result, const Session& session) {
  AnswerText text(session);
  std::string content = text.add(result.token_ids);
  content += text.finish();
  return head.json("chat.completion") +
         ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" + json_quote(content) +
         ",\"refusal\":null,\"items\":" + json_items(result.items) +
         "},\"logprobs\":null,\"finish_reason\":\"" + std::string(finish_reason(result)) +
         "\"}],\"usage\":" + usage_json(result) + "}";
}

/// delta: members; reason: empty until the last
inline std::string chunk_json(const ChatHead& head, const std::string& delta, std::string_view reason = {}) {
  return head.json("chat.completion.chunk") + ",\"choices\":[{\"index\":0,\"delta\":{" + delta +
         "},\"logprobs\":null,\"finish_reason\":" + (reason.empty() ? "null" : json_quote(reason)) + "}]}";
}

inline std::string usage_chunk_json(const ChatHead& head, const Result& result) {
  return head.json("chat.completion.chunk") + ",\"choices\":[],\"usage\":" + usage_json(result) + "}";
}

inline std::string models_json(const std::string& model, std::int64_t created) {
  return "{\"id\":" + json_quote(model) + ",\"object\":\"model\",\"created\":" + std::to_string(created) +
         ",\"owned_by\":\"la\"}";
}

}  // namespace la::cli
