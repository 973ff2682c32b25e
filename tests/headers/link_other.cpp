// The other file, see alone_test.sh.
#include "la/la.hpp"

la::Task task_of_other();

la::Task task_of_other() {
  return la::parse_task("point");
}
