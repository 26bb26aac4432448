// See loop.h.
#include "addon/loop.h"

#include <sys/timerfd.h>

#include <memory>

#include "addon/convert.h"
#include "os/udp_socket.h"

namespace vipd {

void LoopWatch::start(Napi::Env env, int fd, LoopWatch*& owners, std::function<void(int)> on_ready) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "ECANCELED: no event loop");
  auto watch = std::unique_ptr<LoopWatch>(new LoopWatch());
  watch->on_ready_ = std::move(on_ready);
  watch->poll_.data = watch.get();
  if (const int error = uv_poll_init(loop, &watch->poll_, fd)) throw Napi::Error::New(env, uv_err_name(error));
  LoopWatch* self = watch.release();
  self->owners_ = &owners;
  owners = self;
  napi_add_async_cleanup_hook(env, leaving, self, &self->hook_);
  self->want(UV_READABLE);
}

void LoopWatch::want(int events) { uv_poll_start(&poll_, events, ready); }

void LoopWatch::unref() { uv_unref(reinterpret_cast<uv_handle_t*>(&poll_)); }

void LoopWatch::close() {
  if (closing_) return;
  closing_ = true;
  // The owner is finalized after the environment's hooks have run, when this is deleted already.
  *owners_ = nullptr;
  uv_poll_stop(&poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
    auto* self = static_cast<LoopWatch*>(handle->data);
    if (self->hook_ != nullptr) napi_remove_async_cleanup_hook(self->hook_);
    delete self;
  });
}

void LoopWatch::ready(uv_poll_t* poll, int status, int events) {
  auto* self = static_cast<LoopWatch*>(poll->data);
  // An error of the descriptor shows when it is read.
  if (!self->closing_) self->on_ready_(status == 0 ? events : UV_READABLE);
}

void LoopWatch::leaving(napi_async_cleanup_hook_handle, void* self) { static_cast<LoopWatch*>(self)->close(); }

namespace {

/** Calls JavaScript from the loop, as node does for its own handles: what it throws, or its promises and ticks, ends the process. */
void call_from_loop(const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments) {
  try {
    callback.MakeCallback(callback.Env().Global(), arguments);
  } catch (const Napi::Error& error) {
    // A worker that is being terminated refuses this, too.
    napi_fatal_exception(callback.Env(), error.Value());
  }
}

/** The gossip's UDP socket: `new Datagrams(onBatch)`, where onBatch(count, errors) finds the datagrams in `memory`. */
class Datagrams : public Napi::ObjectWrap<Datagrams> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Datagrams",
                       {InstanceMethod<&Datagrams::bind>("bind"), InstanceMethod<&Datagrams::memory>("memory"),
                        InstanceMethod<&Datagrams::lengths>("lengths"), InstanceMethod<&Datagrams::sender>("sender"),
                        InstanceMethod<&Datagrams::receive>("receive"), InstanceMethod<&Datagrams::send>("send"),
                        InstanceMethod<&Datagrams::close>("close")});
  }

  explicit Datagrams(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Datagrams>(info) {
    if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "a callback is wanted");
    on_batch_ = Napi::Persistent(info[0].As<Napi::Function>());
    Napi::ArrayBuffer memory = Napi::ArrayBuffer::New(info.Env(), UdpSocket::kBatch * UdpSocket::kSlotBytes);
    bytes_ = static_cast<uint8_t*>(memory.Data());
    memory_ = Napi::Persistent(memory);
    Napi::ArrayBuffer lengths = Napi::ArrayBuffer::New(info.Env(), UdpSocket::kBatch * 2 * sizeof(uint32_t));
    lengths_at_ = static_cast<uint32_t*>(lengths.Data());
    lengths_ = Napi::Persistent(lengths);
  }

  ~Datagrams() override { shut(); }

 private:
  /** bind(host, port): the port. Throws the errno's name. */
  Napi::Value bind(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (watch_ != nullptr) throw Napi::Error::New(env, "EALREADY: bound already");
    const bool v6 = info[0].As<Napi::String>().Utf8Value().find(':') != std::string::npos;
    const uint32_t port = info[1].As<Napi::Number>().Uint32Value();
    if (const int error = socket_.open(to_ip(info[0]), v6, static_cast<uint16_t>(port))) {
      throw Napi::Error::New(env, errno_name(error));
    }
    LoopWatch::start(env, socket_.fd(), watch_, [this](int events) { ready(events); });
    // Alive as long as it is open, whoever forgets it.
    Ref();
    return Napi::Number::New(env, socket_.port());
  }

  Napi::Value memory(const Napi::CallbackInfo&) { return memory_.Value(); }
  /** Of datagram i: its bytes at 2 i, its sender's port at 2 i + 1. */
  Napi::Value lengths(const Napi::CallbackInfo&) { return lengths_.Value(); }

  Napi::Value sender(const Napi::CallbackInfo& info) {
    const uint32_t i = info[0].As<Napi::Number>().Uint32Value();
    return Napi::String::New(info.Env(), i < UdpSocket::kBatch ? socket_.sender(i) : "");
  }

  void ready(int events) {
    const Napi::HandleScope scope(Env());
    if ((events & UV_WRITABLE) != 0) {
      const uint32_t refused = socket_.flush();
      if (!socket_.has_waiting()) watch_->want(UV_READABLE);
      if (refused > 0) tell(0, refused);
    }
    if ((events & UV_READABLE) != 0 && watch_ != nullptr) take();
  }

  /** What has arrived is handled now: before a timer that is due, without waiting for the loop's next round. */
  Napi::Value receive(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), watch_ == nullptr || taking_ ? 0 : static_cast<double>(take()));
  }

  size_t take() {
    uint32_t errors = 0;
    const size_t count = socket_.receive(bytes_, errors);
    for (size_t i = 0; i < count; i++) {
      lengths_at_[2 * i] = socket_.arrival(i).bytes;
      lengths_at_[2 * i + 1] = socket_.arrival(i).port;
    }
    if (count > 0 || errors > 0) tell(count, errors);
    return count;
  }

  void tell(size_t count, uint32_t errors) {
    const Napi::Env env = Env();
    // The memory is the batch's until its handler is through.
    taking_ = true;
    call_from_loop(on_batch_, {Napi::Number::New(env, static_cast<double>(count)), Napi::Number::New(env, errors)});
    taking_ = false;
  }

  /** send(bytes, host, port): "" or the errno's name. */
  Napi::Value send(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (watch_ == nullptr) return Napi::String::New(env, "EBADF");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const uint32_t port = info[2].As<Napi::Number>().Uint32Value();
    const bool waited = socket_.has_waiting();
    const std::optional<Ip> host = parse_ip(info[1].As<Napi::String>().Utf8Value());
    if (!host) return Napi::String::New(env, "EINVAL");
    const int error = socket_.send(bytes.Data(), bytes.ByteLength(), *host, static_cast<uint16_t>(port));
    if (!waited && socket_.has_waiting()) watch_->want(UV_READABLE | UV_WRITABLE);
    return error == 0 ? env.Undefined() : Napi::String::New(env, errno_name(error));
  }

  void close(const Napi::CallbackInfo&) {
    if (watch_ == nullptr) return;
    shut();
    Unref();
  }

  void shut() {
    if (watch_ == nullptr) return;
    watch_->close();
    socket_.close();
  }

  UdpSocket socket_;
  LoopWatch* watch_ = nullptr;
  Napi::FunctionReference on_batch_;
  Napi::Reference<Napi::ArrayBuffer> memory_;
  Napi::Reference<Napi::ArrayBuffer> lengths_;
  uint8_t* bytes_ = nullptr;
  uint32_t* lengths_at_ = nullptr;
  bool taking_ = false;
};

/**
 * One alarm on CLOCK_BOOTTIME, to the microsecond: `new Alarm(onDue)`, `set(ms)` of `now()`. Node's own timers are whole
 * milliseconds of a clock that stands still in suspend, and leave a wake-up behind for each one that was moved.
 */
class Alarm : public Napi::ObjectWrap<Alarm> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Alarm", {InstanceMethod<&Alarm::set>("set"), InstanceMethod<&Alarm::close>("close")});
  }

  explicit Alarm(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Alarm>(info) {
    if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "a callback is wanted");
    on_due_ = Napi::Persistent(info[0].As<Napi::Function>());
    timer_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!timer_.valid()) throw Napi::Error::New(info.Env(), errno_name(errno) + ": timerfd_create");
    LoopWatch::start(info.Env(), timer_.get(), watch_, [this](int) { due(); });
    Ref();
  }

  ~Alarm() override { shut(); }

 private:
  void set(const Napi::CallbackInfo& info) {
    if (watch_ != nullptr) arm_timer(timer_.get(), to_ns(info[0].As<Napi::Number>().DoubleValue()));
  }

  void due() {
    const Napi::HandleScope scope(Env());
    drain_event(timer_.get());
    call_from_loop(on_due_, {});
  }

  void close(const Napi::CallbackInfo&) {
    if (watch_ == nullptr) return;
    shut();
    Unref();
  }

  void shut() {
    if (watch_ == nullptr) return;
    watch_->close();
    timer_.reset();
  }

  Fd timer_;
  LoopWatch* watch_ = nullptr;
  Napi::FunctionReference on_due_;
};

}  // namespace

void define_loop(Napi::Env env, Napi::Object exports) {
  exports.Set("Datagrams", Datagrams::define(env));
  exports.Set("Alarm", Alarm::define(env));
}

}  // namespace vipd
