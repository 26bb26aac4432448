// Runs every table and says how it went.
#include "check.h"

int main() {
  using namespace vipd::test;
  packets();
  decisions();
  announcements();
  filters();
  floods();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
