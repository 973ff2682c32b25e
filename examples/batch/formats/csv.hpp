#pragma once

#include <string>

#include "answer_reader.hpp"

namespace la::cli {

/// A field of RFC 4180: in quotes where it needs them.
inline std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

/// One row a box or point; a line that found nothing or failed has one row without a place.
/// error: it cannot be written
inline void write_csv(const std::string& answers, const std::string& path) {
  TextFile file(path);
  file << "line,id,image,time,width,height,label,kind,x1,y1,x2,y2,score,error\r\n";
  for_each_answer(answers, [&](const AnsweredLine& line) {
    const std::string head =
        std::to_string(line.number) + "," + csv_field(line.text("id")) + "," + csv_field(line.image) + "," +
        line.text("time") + "," +
        (line.ok() ? std::to_string(line.width) + "," + std::to_string(line.height) : ",") + ",";
    for (const AnsweredItem& item : line.items) {
      file << head << csv_field(item.label) << (item.is_box ? ",box," : ",point,") << decimal(item.at[0], 2)
           << "," << decimal(item.at[1], 2) << ",";
      if (item.is_box) file << decimal(item.at[2], 2);
      file << ",";
      if (item.is_box) file << decimal(item.at[3], 2);
      file << "," << json_number(float(item.score)) << ",\r\n";
    }
    if (line.items.empty())
      file << head << (line.ok() ? ",none,,,,,," : ",,,,,,,") << csv_field(line.error) << "\r\n";
  });
  file.finish();
}

}  // namespace la::cli
