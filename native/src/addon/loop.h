// What the control plane needs of its event loop beside node's own: the gossip's UDP socket and one alarm on CLOCK_BOOTTIME, which
// sleep in node's epoll and call JavaScript on its thread, and what they are made of. JavaScript thread only.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

namespace vipd {

/** A descriptor in node's event loop. Closes itself before the environment goes; deletes itself once libuv has let go. */
class LoopWatch {
 public:
  /** `owners` is the owner's pointer to it: null again as soon as it closes, whoever closed it. */
  static void start(Napi::Env env, int fd, LoopWatch*& owners, std::function<void(int)> on_ready);
  /** UV_READABLE, perhaps with UV_WRITABLE. */
  void want(int events);
  /** It alone does not keep the process from ending. */
  void unref();
  /** The descriptor may be closed after it. */
  void close();

 private:
  LoopWatch() = default;
  static void ready(uv_poll_t* poll, int status, int events);
  static void leaving(napi_async_cleanup_hook_handle hook, void* self);

  uv_poll_t poll_{};
  std::function<void(int)> on_ready_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  LoopWatch** owners_ = nullptr;
  bool closing_ = false;
};

void define_loop(Napi::Env env, Napi::Object exports);

}  // namespace vipd
