#pragma once

#include <string>

#include "la/version.hpp"

namespace la::cli {

/// What GET /openapi.json tells.
inline std::string openapi_json() {
  return R"({"openapi":"3.1.0","info":{"title":"la serve","version":")" LA_VERSION
         R"(","description":"Finds what words name in pictures. Pictures come in the request: no address or path is ever fetched."},
"paths":{
"/v1/ground":{"post":{"summary":"Where is it?","description":"The fields of a request line of batch. The answer is the object of ground --json; with Accept: text/event-stream, events item, then answer or error.","requestBody":{"required":true,"content":{
"application/json":{"schema":{"$ref":"#/components/schemas/Ground"}},
"multipart/form-data":{"schema":{"type":"object","required":["image"],"properties":{"image":{"type":"string","format":"binary"},"task":{"$ref":"#/components/schemas/Task"},"phrase":{"type":"string"},"categories":{"type":"string"}}}},
"image/*":{"schema":{"type":"string","format":"binary"}}}},
"parameters":[{"name":"task","in":"query","description":"With a picture as the body.","schema":{"$ref":"#/components/schemas/Task"}},{"name":"phrase","in":"query","schema":{"type":"string"}},{"name":"categories","in":"query","schema":{"type":"string"}}],
"responses":{"200":{"description":"What was found.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Answer"}},"text/event-stream":{"schema":{"type":"string"}}}},"default":{"$ref":"#/components/responses/Error"}}}},
"/v1/chat/completions":{"post":{"summary":"OpenAI's chat completions","description":"One user message with pictures as data: URIs. The text is the question as the model reads it; with the field task it is the phrase of that task. The content is the model's text; items has what was found. Any option of a request line may be a member, too.","requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["model","messages"],"properties":{"model":{"type":"string"},"messages":{"type":"array","minItems":1,"maxItems":1,"items":{"type":"object"}},"stream":{"type":"boolean"},"stream_options":{"type":"object","properties":{"include_usage":{"type":"boolean"}}},"max_completion_tokens":{"type":"integer"},"temperature":{"type":"number"},"top_p":{"type":"number"},"seed":{"type":"integer"},"task":{"$ref":"#/components/schemas/Task"}}}}}},
"responses":{"200":{"description":"chat.completion, or chunks and [DONE].","content":{"application/json":{"schema":{"type":"object"}},"text/event-stream":{"schema":{"type":"string"}}}},"default":{"description":"An error in OpenAI's form.","content":{"application/json":{"schema":{"type":"object"}}}}}}},
"/v1/models":{"get":{"summary":"The one model","responses":{"200":{"description":"A list, as OpenAI's.","content":{"application/json":{"schema":{"type":"object"}}}}}}},
"/v1/detection":{"post":{"summary":"LocalAI's detection","requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["image"],"properties":{"model":{"type":"string"},"image":{"type":"string","description":"base64 or a data: URI"},"prompt":{"type":"string","description":"categories with commas; else those of --categories"},"threshold":{"type":"number","default":0.5}}}}}},
"responses":{"200":{"description":"Boxes in pixels.","content":{"application/json":{"schema":{"type":"object","properties":{"detections":{"type":"array","items":{"type":"object","properties":{"x":{"type":"number"},"y":{"type":"number"},"width":{"type":"number"},"height":{"type":"number"},"class_name":{"type":"string"},"confidence":{"type":"number"}}}}}}}}},"default":{"description":"An error in LocalAI's form.","content":{"application/json":{"schema":{"type":"object"}}}}}}},
"/v1/vision/detection":{"post":{"summary":"DeepStack's detection","requestBody":{"required":true,"content":{"multipart/form-data":{"schema":{"type":"object","required":["image"],"properties":{"image":{"type":"string","format":"binary"},"min_confidence":{"type":"number","default":0.4},"api_key":{"type":"string"},"categories":{"type":"string","description":"with commas; else those of --categories"}}}}}},
"responses":{"200":{"description":"Boxes in whole pixels, the best first.","content":{"application/json":{"schema":{"type":"object","properties":{"success":{"type":"boolean"},"predictions":{"type":"array","items":{"type":"object","properties":{"confidence":{"type":"number"},"label":{"type":"string"},"y_min":{"type":"integer"},"x_min":{"type":"integer"},"y_max":{"type":"integer"},"x_max":{"type":"integer"}}}},"duration":{"type":"number"}}}}}},"default":{"description":"success false and an error.","content":{"application/json":{"schema":{"type":"object"}}}}}}},
"/metrics":{"get":{"summary":"Counters for Prometheus","responses":{"200":{"description":"Its text format.","content":{"text/plain":{"schema":{"type":"string"}}}}}}},
"/healthz":{"get":{"summary":"Is it alive?","security":[],"responses":{"200":{"description":"ok"}}}},
"/readyz":{"get":{"summary":"Does it answer?","security":[],"responses":{"200":{"description":"ok"}}}},
"/openapi.json":{"get":{"summary":"This","security":[],"responses":{"200":{"description":"This","content":{"application/json":{"schema":{"type":"object"}}}}}}}},
"security":[{},{"key":[]}],
"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}},
"responses":{"Error":{"description":"Why not. 413: too large; 429 and 503: come again after Retry-After seconds.","content":{"application/json":{"schema":{"type":"object","properties":{"error":{"type":"string"}}}}}}},
"schemas":{
"Task":{"type":"string","enum":["detect","ground-single","ground-multi","ground-text","detect-text","ground-gui","point","point-gui"]},
"Ground":{"type":"object","required":["image"],"properties":{"image":{"type":"string","description":"a data: URI"},"task":{"$ref":"#/components/schemas/Task"},"phrase":{"type":"string"},"categories":{"type":["string","array"]},"query":{"type":"string"},"generation_mode":{"type":"string","enum":["hybrid","fast","slow"]},"max_tokens":{"type":"integer"},"min_score":{"type":"number"},"tile":{"type":"string"}},"additionalProperties":true},
"Item":{"type":"object","properties":{"label":{"type":"string"},"kind":{"type":"string","enum":["box","point","none"]},"box":{"type":"array","items":{"type":"number"}},"point":{"type":"array","items":{"type":"number"}},"box_1000":{"type":"array","items":{"type":"integer"}},"score":{"type":"number"},"label_score":{"type":"number"}}},
"Answer":{"type":"object","properties":{"width":{"type":"integer"},"height":{"type":"integer"},"query":{"type":"string"},"answer":{"type":"string"},"items":{"type":"array","items":{"$ref":"#/components/schemas/Item"}},"warnings":{"type":"array","items":{"type":"string"}},"truncated":{"type":"boolean"},"seconds":{"type":"object"}}}}}}
)";
}

}  // namespace la::cli
