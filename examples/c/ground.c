// Finds things in a picture, in C99:
//
//   cc -std=c99 $(pkg-config --cflags la-c) ground.c -o ground $(pkg-config --libs la-c)
//   ./ground CHECKPOINT PICTURE PHRASE...

#include <la/c/la.h>

#include <stdio.h>
#include <stdlib.h>

static int failed(void) {
  fprintf(stderr, "%s\n", la_last_error());
  return 1;
}

static int print(const la_answer* answer) {
  for (size_t i = 0; i < la_answer_count(answer); ++i) {
    la_item item = LA_ITEM_INIT;
    if (la_answer_item(answer, i, &item) != LA_OK) return failed();
    if (item.kind != LA_BOX) continue;
    printf("%s: box %.1f %.1f %.1f %.1f score %.3f\n", item.label, item.box[0], item.box[1], item.box[2],
           item.box[3], item.score);
  }
  return 0;
}

/// All phrases together, in one batch.
static int ask(la_session* session, const la_image* image, char** phrases, size_t count) {
  la_request* requests = calloc(count, sizeof *requests);
  la_answer** answers = calloc(count, sizeof *answers);
  int status = 0;
  if (!requests || !answers) {
    fprintf(stderr, "out of memory\n");
    status = 1;
  } else {
    for (size_t i = 0; i < count; ++i) {
      la_request request = {sizeof request, image, "ground-single", phrases[i], NULL};
      requests[i] = request;
    }
    if (la_batch(session, requests, count, answers) != LA_OK) status = failed();
    for (size_t i = 0; i < count && status == 0; ++i) {
      if (la_answer_status(answers[i]) != LA_OK) {
        fprintf(stderr, "%s: %s\n", phrases[i], la_answer_error(answers[i]));
        status = 1;
      } else {
        status = print(answers[i]);
      }
    }
    for (size_t i = 0; i < count; ++i) la_answer_free(answers[i]);
  }
  free(answers);
  free(requests);
  return status;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s CHECKPOINT PICTURE PHRASE...\n", argv[0]);
    return 2;
  }
  la_session* session = NULL;
  la_image* image = NULL;
  int status = 0;
  if (la_open(argv[1], NULL, &session) != LA_OK || la_encode_file(session, argv[2], &image) != LA_OK)
    status = failed();
  else
    status = ask(session, image, argv + 3, (size_t)(argc - 3));
  la_image_free(image);
  la_close(session);
  return status;
}
