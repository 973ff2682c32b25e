#pragma once

#include "../batch_flags.hpp"
#include "../open_source.hpp"
#include "coco.hpp"
#include "csv.hpp"
#include "cvat.hpp"
#include "labelstudio.hpp"
#include "yolo.hpp"

namespace la::cli {

/// The formats asked for, out of the finished answers.
inline void write_formats(const BatchFlags& flags) {
  const std::string answers = flags.answers_path();
  for (const std::string& format : flags.made_formats()) {
    const std::string path = flags.format_path(format);
    if (format == "coco") write_coco(answers, path, flags.coco_annotations);
    if (format == "csv") write_csv(answers, path);
    if (format == "cvat") write_cvat(answers, path);
    if (format == "labelstudio") write_labelstudio(answers, path);
    if (format == "yolo") write_yolo(answers, path, folder_of_requests(flags));
  }
}

}  // namespace la::cli
