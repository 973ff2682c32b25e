// What `ground` prints, from a program without exceptions and RTTI: wrapper CHECKPOINT PICTURE PHRASE...
#include <la/c/la.hpp>

#include <cstdio>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "expected -fno-exceptions -fno-rtti"
#endif

static int failed(const la::c::Status& status) {
  std::fprintf(stderr, "%s\n", status.message.c_str());
  return 1;
}

int main(int argc, char** argv) {
  la::c::Session session;
  la::c::Image image;
  if (const la::c::Status status = la::c::open(argv[1], session); !status) return failed(status);
  if (const la::c::Status status = la::c::encode(session, argv[2], image); !status) return failed(status);
  std::vector<la_request> requests;
  for (int i = 3; i < argc; ++i)
    requests.push_back({sizeof(la_request), image.get(), "ground-single", argv[i], nullptr});
  std::vector<la::c::Answer> answers;
  if (const la::c::Status status = la::c::batch(session, requests, answers); !status) return failed(status);
  for (size_t i = 0; i < answers.size(); ++i) {
    la::c::Answer alone;
    if (const la::c::Status status = la::c::ask(session, image, "ground-single", argv[3 + i], alone); !status)
      return failed(status);
    if (std::string(la_answer_text(alone.get())) != la_answer_text(answers[i].get())) return 3;
    for (const la_item& item : la::c::items(answers[i]))
      std::printf("%s: box %.1f %.1f %.1f %.1f score %.3f\n", item.label, item.box[0], item.box[1],
                  item.box[2], item.box[3], item.score);
  }
  // A mistake is a status, and leaves nothing.
  la::c::Answer none;
  const la::c::Status wrong = la::c::ask(session, image, "find", "x", none);
  return wrong.code == LA_USAGE && wrong.message.find("task: ") == 0 && !none ? 0 : 4;
}
