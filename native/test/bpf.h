// A small interpreter of the classic BPF instructions that our filters use; any other one, or no return, aborts.
#pragma once

#include <cstdlib>

#include "os/filter.h"

namespace vipd::test {

/** 0: dropped. A load beyond the frame ends the program with 0, as in the kernel. */
inline uint32_t run_filter(const Filter& filter, const uint8_t* data, size_t size) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < filter.size(); pc++) {
    const sock_filter& i = filter[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k + 4 > size) return 0;
        a = uint32_t{data[i.k]} << 24 | uint32_t{data[i.k + 1]} << 16 | uint32_t{data[i.k + 2]} << 8 | data[i.k + 3];
        break;
      case BPF_LD | BPF_H | BPF_ABS:
        if (i.k + 2 > size) return 0;
        a = uint32_t{data[i.k]} << 8 | data[i.k + 1];
        break;
      case BPF_LD | BPF_B | BPF_ABS:
        if (i.k >= size) return 0;
        a = data[i.k];
        break;
      case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i.k ? i.jt : i.jf; break;
      case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i.k ? i.jt : i.jf; break;
      case BPF_JMP | BPF_JA: pc += i.k; break;
      case BPF_RET | BPF_K: return i.k;
      default: std::abort();
    }
  }
  std::abort();
}

}  // namespace vipd::test
