// One of two files that both include all of la, see alone_test.sh.
#include "la/la.hpp"

la::Task task_of_other();

int main() {
  return task_of_other() == la::parse_task("point") ? 0 : 1;
}
