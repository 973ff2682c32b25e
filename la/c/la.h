#ifndef LA_C_LA_H
#define LA_C_LA_H

// la for programs in C, and in any language that calls C: link libla.so.
//
// Handles are opaque and freed by the function named after them; freeing NULL does nothing. A function that can fail
// gives a status, and on anything but LA_OK what it returns through pointers is NULL; la_last_error() then says why in
// one line. No exception and no signal leaves the library. Texts are UTF-8 and end with a zero byte.
//
// Threads: several may use one session, which runs one pass at a time; they take turns, pass by pass. Images and answers
// do not change and may be read by several threads. A handle is freed once, when no other thread uses it, in any order:
// what an image needs of its session lives as long as the image.
//
// Structs begin with their size, which the caller sets to sizeof (the ..._INIT macros do). A program compiled with a
// shorter, older struct gets the defaults of what it does not know; one compiled with a longer, newer struct is refused
// if it uses what this library does not know. A field of 0 or NULL is the default. Later versions add fields at the end.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum la_status {
  LA_OK = 0,
  LA_FAILED = 1,    ///< a file, a checkpoint or a picture cannot be used
  LA_USAGE = 2,     ///< an argument is wrong
  LA_NO_MEMORY = 3  ///< out of memory
} la_status;

typedef struct la_session la_session;  ///< an opened model
typedef struct la_image la_image;      ///< a picture after the vision tower, for any number of questions
typedef struct la_answer la_answer;
typedef struct la_stop la_stop;  ///< ends answers from another thread

/// "0.2.0", of the library that is loaded.
const char* la_version(void);

/// Of the last call of this thread that failed: one line of at most 4 KB, until the next one that fails. "" if none did.
const char* la_last_error(void);

typedef struct la_open_options {
  size_t size;
  int64_t threads;      ///< 0: as many as this process may use at once
  const char* isa;      ///< instruction set, as `ground --isa list` names it. NULL: the best of this CPU
  const char* weights;  ///< how weights are held: "auto", "f32", "bf16", "q8", "q4". NULL: "auto", as stored
  uint64_t
      max_memory;  ///< bytes; refuse to load what is estimated to take more, with the largest picture. 0: no limit
} la_open_options;
#define LA_OPEN_OPTIONS_INIT \
  { sizeof(la_open_options), 0, NULL, NULL, 0 }

/// A checkpoint directory, or ORG/NAME in the Hugging Face cache of this machine. options may be NULL.
la_status la_open(const char* directory_or_id, const la_open_options* options, la_session** session);
void la_close(la_session* session);

/// What was odd about the checkpoint, from 0; NULL past the last warning.
const char* la_session_warning(const la_session* session, size_t index);

/// Each runs the vision tower, unless the same picture was encoded a short while ago. Boxes are in pixels of the picture
/// given, turned as its EXIF says.
la_status la_encode_file(la_session* session, const char* path, la_image** image);
/// An image file held in memory.
la_status la_encode_bytes(la_session* session, const void* bytes, size_t size, la_image** image);
/// Pixels: red, green and blue, a byte each; a row begins `stride` bytes after the one above it, at least 3 * width. They
/// are not used after the call.
la_status la_encode_rgb(la_session* session, const uint8_t* pixels, int64_t width, int64_t height,
                        size_t stride, la_image** image);
int64_t la_image_width(const la_image* image);
int64_t la_image_height(const la_image* image);
void la_image_free(la_image* image);

/// Give it to questions in their options; any thread may request the stop, before they run or while they do. An answer
/// that was stopped has what was found so far and LA_CANCELLED. Requested once, it stays so: later questions that have it
/// end at once. The questions that were given it may outlive it.
la_status la_stop_new(la_stop** stop);
void la_stop_request(la_stop* stop);
void la_stop_free(la_stop* stop);

typedef struct la_ask_options {
  size_t size;
  const char* mode;     ///< "hybrid", "fast" or "slow". NULL: "hybrid"
  int64_t max_tokens;   ///< of the answer. 0: 2048
  uint64_t seed;        ///< of the draws, when temperature is above 0
  float temperature;    ///< 0 takes the most probable token
  float min_score;      ///< items below it are left out
  const la_stop* stop;  ///< NULL: none
} la_ask_options;
#define LA_ASK_OPTIONS_INIT \
  { sizeof(la_ask_options), NULL, 0, 0, 0, 0, NULL }

/// task: "detect", whose phrase is category names with commas between them, "ground-single", "ground-multi",
/// "ground-text", "detect-text", whose phrase is NULL, "ground-gui", "point", "point-gui". NULL: the phrase is the whole
/// question, in which special tokens count. The image must be of this session. options may be NULL.
la_status la_ask(la_session* session, const la_image* image, const char* task, const char* phrase,
                 const la_ask_options* options, la_answer** answer);

typedef struct la_request {
  size_t size;  ///< the same in all requests of a batch
  const la_image* image;
  const char* task;               ///< as in la_ask
  const char* phrase;             ///< as in la_ask
  const la_ask_options* options;  ///< may be NULL
} la_request;

/// Answers all requests, many at a time, with the very answers of one at a time: answers[i] is that of requests[i]. A
/// request that fails while it runs has its status in its answer and does not touch the others; one that cannot be asked
/// fails the whole call.
la_status la_batch(la_session* session, const la_request* requests, size_t count, la_answer** answers);

typedef enum la_item_kind { LA_BOX = 0, LA_POINT = 1, LA_NONE = 2 } la_item_kind;

/// One thing that was found, or the model's word that there is none of it.
typedef struct la_item {
  size_t size;
  const char* label;  ///< lives as long as the answer
  int32_t kind;       ///< la_item_kind
  float box[4];       ///< x1 y1 x2 y2, sorted, in pixels of the picture, not clamped; 0 unless LA_BOX
  float point[2];     ///< x y, in pixels of the picture; 0 unless LA_POINT
  float score;        ///< the IoU to expect, times the probability that there is something
  float label_score;  ///< geometric mean of the probabilities of the label's tokens; 1 without a label
} la_item;
#define LA_ITEM_INIT \
  { sizeof(la_item), NULL, 0, {0, 0, 0, 0}, {0, 0}, 0, 0 }

typedef enum la_stop_reason {
  LA_EOS = 0,         ///< the model ended the answer
  LA_MAX_TOKENS = 1,  ///< max_tokens cut it
  LA_LOOP = 2,        ///< boxes repeated
  LA_CANCELLED = 3    ///< by la_stop_request
} la_stop_reason;

size_t la_answer_count(const la_answer* answer);
/// item->size says how much of it the caller knows.
la_status la_answer_item(const la_answer* answer, size_t index, la_item* item);
la_stop_reason la_answer_stop_reason(const la_answer* answer);
/// What the model wrote, special tokens included.
const char* la_answer_text(const la_answer* answer);
/// Of an answer of la_batch: LA_OK, or why there is none.
la_status la_answer_status(const la_answer* answer);
/// Of an answer of la_batch: "" when there is one.
const char* la_answer_error(const la_answer* answer);
void la_answer_free(la_answer* answer);

#ifdef __cplusplus
}
#endif

#endif
