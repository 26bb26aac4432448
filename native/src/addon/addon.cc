// The addon: Engine (responder, address holder, their lease, its keeper, and outbox), loop.h's Datagrams and Alarm, aead.h's Aead, and the
// functions now, hostInterfaces, keepNeighbours, sdNotify and their like.
// The only folder that includes napi.h. The threads below call back through one threadsafe function that carries no data;
// the clean-up hook joins them before the environment goes, at whatever stage that happens.
#include "addon/aead.h"
#include "addon/convert.h"
#include "addon/lease_keeper.h"
#include "addon/loop.h"
#include "os/address_holder.h"
#include "os/neighbours.h"
#include "os/notify.h"

namespace vipd {
namespace {

class Engine : public Napi::ObjectWrap<Engine> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {InstanceMethod<&Engine::start>("start"), InstanceMethod<&Engine::set_interfaces>("setInterfaces"),
                        InstanceMethod<&Engine::links>("links"), InstanceMethod<&Engine::own>("own"),
                        InstanceMethod<&Engine::release>("release"), InstanceMethod<&Engine::watch>("watch"),
                        InstanceMethod<&Engine::unwatch>("unwatch"),
                        InstanceMethod<&Engine::announce>("announce"),
                        InstanceMethod<&Engine::set_announce_rate>("setAnnounceRate"),
                        InstanceMethod<&Engine::set_refresh>("setRefresh"),
                        InstanceMethod<&Engine::lease>("lease"), InstanceMethod<&Engine::lease_until>("leaseUntil"),
                        InstanceMethod<&Engine::ask>("ask"),
                        InstanceMethod<&Engine::hold>("hold"), InstanceMethod<&Engine::drop>("drop"),
                        InstanceMethod<&Engine::sweep>("sweep"), InstanceMethod<&Engine::stats>("stats"),
                        InstanceMethod<&Engine::set_referenced>("setReferenced"), InstanceMethod<&Engine::stop>("stop")});
  }

  explicit Engine(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Engine>(info), responder_(lease_, outbox_, options_of(info[1])), holder_(lease_, outbox_) {
    if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "a callback is wanted");
    // Until here nothing is open: a constructor that throws leaves nothing behind.
    env_ = info.Env();
    ready_ = Napi::ThreadSafeFunction::New(info.Env(), info[0].As<Napi::Function>(), "vipd", 0, 1);
    ready_.Unref(info.Env());
    open_ = true;
    outbox_.on_ready([this] {
      ready_.NonBlockingCall([this](Napi::Env env, Napi::Function callback) { deliver(env, callback); });
    });
    // After the threadsafe function's own hook, thus run before it: the threads end while it is still whole.
    napi_add_env_cleanup_hook(env_, clean_up, this);
  }

  ~Engine() override { shut(); }

 private:
  static void clean_up(void* self) {
    auto* engine = static_cast<Engine*>(self);
    engine->hooked_ = false;
    engine->shut();
  }

  static ResponderOptions options_of(const Napi::Value& value) {
    ResponderOptions options;
    if (!value.IsObject()) return options;
    const Napi::Object from = value.As<Napi::Object>();
    const auto number = [&from](const char* key, double fallback) {
      const Napi::Value value = from.Get(key);
      return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : fallback;
    };
    options.announce_per_second = number("announcePerSecond", 5000);
    options.refresh_mac_ns = to_ns(number("refreshMacMs", 60'000));
    options.refresh_vip_ns = to_ns(number("refreshVipMs", 300'000));
    return options;
  }

  void deliver(Napi::Env env, Napi::Function callback) {
    if (!open_) return;
    try {
      call(env, callback);
    } catch (const Napi::Error&) {
      // A worker that is being terminated refuses every call: nobody is left to be told. What a handler throws does not
      // come here: adapters/native.ts makes it an uncaught exception.
    }
  }

  void call(Napi::Env env, Napi::Function callback) {
    const Batch batch = outbox_.take();
    if (batch.events.empty() && batch.completions.empty() && batch.lost == 0) return;
    Napi::Array events = Napi::Array::New(env);
    uint32_t count = 0;
    for (const Event& event : batch.events) events.Set(count++, from_event(env, event));
    if (batch.lost > 0) {
      Napi::Object overflow = Napi::Object::New(env);
      overflow.Set("kind", "overflow");
      overflow.Set("lost", static_cast<double>(batch.lost));
      events.Set(count, overflow);
    }
    Napi::Array completions = Napi::Array::New(env);
    for (size_t i = 0; i < batch.completions.size(); i++) {
      completions.Set(static_cast<uint32_t>(i), from_completion(env, batch.completions[i]));
    }
    callback.Call({events, completions});
  }

  /** Joins both threads and lets go of the callback. Idempotent. */
  void shut() {
    if (!open_) return;
    open_ = false;
    keeper_.stop();
    lease_.extend(0);
    responder_.stop();
    holder_.stop();
    outbox_.on_ready(nullptr);
    ready_.Release();
    if (hooked_) napi_remove_env_cleanup_hook(env_, clean_up, this);
    hooked_ = false;
  }

  void require_open(const Napi::CallbackInfo& info) const {
    if (!open_) throw Napi::Error::New(info.Env(), "ECANCELED: the responder is stopped");
  }

  void accepted(const Napi::CallbackInfo& info, bool taken) const {
    if (!taken) throw Napi::Error::New(info.Env(), "ENOBUFS: the native thread does not take commands");
  }

  uint32_t next_id() { return ++last_id_; }

  Napi::Value start(const Napi::CallbackInfo& info) {
    require_open(info);
    const uint32_t id = next_id();
    if (const int error = responder_.start(id)) {
      throw Napi::Error::New(info.Env(), errno_name(error) + ": cannot start the responder");
    }
    return Napi::Number::New(info.Env(), id);
  }

  void set_interfaces(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.set_interfaces(to_strings(info[0])));
  }

  Napi::Value links(const Napi::CallbackInfo& info) {
    const std::vector<LinkState> states = responder_.links(to_strings(info[0]));
    Napi::Array out = Napi::Array::New(info.Env(), states.size());
    for (size_t i = 0; i < states.size(); i++) out.Set(static_cast<uint32_t>(i), from_link(info.Env(), states[i]));
    return out;
  }

  void own(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.own(to_intents(info[0])));
  }

  void release(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.release(to_places(info[0])));
  }

  void watch(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.watch(to_places(info[0])));
  }

  void unwatch(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.unwatch(to_places(info[0])));
  }

  void announce(const Napi::CallbackInfo& info) {
    require_open(info);
    const Napi::Array rounds = info[2].As<Napi::Array>();
    std::vector<int64_t> delays;
    for (uint32_t i = 0; i < rounds.Length(); i++) {
      delays.push_back(to_ns(Napi::Value(rounds.Get(i)).As<Napi::Number>().DoubleValue()));
    }
    accepted(info, responder_.announce(info[0].As<Napi::String>().Utf8Value(), to_ips(info[1]), std::move(delays)));
  }

  void set_announce_rate(const Napi::CallbackInfo& info) {
    require_open(info);
    accepted(info, responder_.set_announce_rate(info[0].As<Napi::Number>().DoubleValue()));
  }

  void set_refresh(const Napi::CallbackInfo& info) {
    require_open(info);
    const int64_t mac_ns = to_ns(info[0].As<Napi::Number>().DoubleValue());
    accepted(info, responder_.set_refresh(mac_ns, to_ns(info[1].As<Napi::Number>().DoubleValue())));
  }

  /** lease(until, byMs?, everyMs?, endsAt?) */
  void lease(const Napi::CallbackInfo& info) {
    if (!open_) return;
    const auto at = [&info](size_t i) { return to_ns(info[i].As<Napi::Number>().DoubleValue()); };
    if (info.Length() < 4) keeper_.pause();
    else if (const int error = keeper_.keep(info.Env(), at(0), {at(1), at(2), at(3)})) {
      throw Napi::Error::New(info.Env(), errno_name(error) + ": cannot keep the lease");
    }
    if (lease_.extend(at(0))) wake();
  }

  Napi::Value lease_until(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(lease_.until_ns()) / 1e6);
  }

  void tell_stalled() {
    Event event{};
    event.kind = Event::Kind::kStalled;
    outbox_.post(std::move(event));
  }

  /** Threads wait for a lease that lives. */
  void wake() {
    responder_.wake();
    holder_.wake();
  }

  Napi::Value ask(const Napi::CallbackInfo& info) {
    require_open(info);
    AskRequest request;
    request.id = next_id();
    request.interface = info[0].As<Napi::String>().Utf8Value();
    request.addresses = to_ips(info[1]);
    request.timeout_ns = to_ns(info[2].As<Napi::Number>().DoubleValue());
    if (info[3].IsBoolean() && info[3].As<Napi::Boolean>().Value()) request.questions = 1;
    if (info[4].IsString()) request.source = to_ip(info[4]);
    const uint32_t id = request.id;
    accepted(info, responder_.ask(std::move(request)));
    return Napi::Number::New(info.Env(), id);
  }

  Napi::Value request_addresses(const Napi::CallbackInfo& info, AddressHolder::Action action, std::vector<Ip> addresses) {
    require_open(info);
    // Started when first needed: `verify` asks the wire and holds nothing.
    if (!holding_) {
      if (const int error = holder_.start()) {
        throw Napi::Error::New(info.Env(), errno_name(error) + ": cannot start the address holder on lo");
      }
      holding_ = true;
    }
    const uint32_t id = next_id();
    accepted(info, holder_.request(id, action, std::move(addresses)));
    return Napi::Number::New(info.Env(), id);
  }

  Napi::Value hold(const Napi::CallbackInfo& info) {
    return request_addresses(info, AddressHolder::Action::kHold, to_ips(info[0]));
  }
  Napi::Value drop(const Napi::CallbackInfo& info) {
    return request_addresses(info, AddressHolder::Action::kDrop, to_ips(info[0]));
  }
  Napi::Value sweep(const Napi::CallbackInfo& info) {
    return request_addresses(info, AddressHolder::Action::kSweep, {});
  }

  Napi::Value stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Counters& counters = responder_.counters();
    Napi::Object out = Napi::Object::New(env);
    out.Set("replies", static_cast<double>(counters.replies));
    out.Set("announcements", static_cast<double>(counters.announcements));
    out.Set("framesDropped", static_cast<double>(counters.frames_dropped));
    out.Set("eventsDropped", static_cast<double>(outbox_.events_dropped()));
    out.Set("leaseLapses", static_cast<double>(counters.lease_lapses));
    Napi::Object ignored = Napi::Object::New(env);
    for (size_t i = 1; i < static_cast<size_t>(Ignore::kCount); i++) {
      const uint64_t count = counters.ignored[i];
      if (count > 0) ignored.Set(ignore_name(static_cast<Ignore>(i)), static_cast<double>(count));
    }
    out.Set("ignored", ignored);
    return out;
  }

  /** While something is waited for, the process must not end for want of work. */
  void set_referenced(const Napi::CallbackInfo& info) {
    if (!open_) return;
    if (info[0].ToBoolean()) ready_.Ref(info.Env());
    else ready_.Unref(info.Env());
  }

  void stop(const Napi::CallbackInfo&) { shut(); }

  Lease lease_;
  Outbox outbox_;
  Responder responder_;
  AddressHolder holder_;
  LeaseKeeper keeper_{lease_, {[this] { wake(); }, [this] { tell_stalled(); }}};
  Napi::ThreadSafeFunction ready_;
  napi_env env_ = nullptr;
  uint32_t last_id_ = 0;
  bool open_ = false;
  bool hooked_ = true;
  bool holding_ = false;
};

Napi::Value now(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(boot_ns()) / 1e6);
}

Napi::Value notify(const Napi::CallbackInfo& info) {
  const int error = sd_notify(info[0].ToString().Utf8Value());
  return Napi::String::New(info.Env(), error == 0 ? "" : errno_name(error));
}

Napi::Value host_interfaces(const Napi::CallbackInfo& info) {
  std::vector<HostInterface> found;
  if (const int error = read_host_interfaces(found)) {
    throw Napi::Error::New(info.Env(), errno_name(error) + ": cannot list this host's interfaces");
  }
  return from_host(info.Env(), found);
}

Napi::Value keep(const Napi::CallbackInfo& info) {
  const int error = keep_neighbours(to_ips(info[0]));
  return Napi::String::New(info.Env(), error == 0 ? "" : errno_name(error));
}

Napi::Value release(const Napi::CallbackInfo& info) {
  const int error = release_neighbours(to_ips(info[0]));
  return Napi::String::New(info.Env(), error == 0 ? "" : errno_name(error));
}

Napi::Value real_time(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), is_real_time()); }

Napi::Value become_program(const Napi::CallbackInfo& info) {
  std::vector<std::string> arguments;
  const Napi::Array given = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < given.Length(); i++) arguments.push_back(given.Get(i).ToString().Utf8Value());
  return Napi::String::New(info.Env(), errno_name(become(info[0].ToString().Utf8Value(), arguments)));
}

Napi::Value execute_bare(const Napi::CallbackInfo& info) {
  const int error = execute_without_capabilities();
  return Napi::String::New(info.Env(), error == 0 ? "" : errno_name(error));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", Engine::define(env));
  define_loop(env, exports);
  define_aead(env, exports);
  exports.Set("now", Napi::Function::New(env, now, "now"));
  exports.Set("hostInterfaces", Napi::Function::New(env, host_interfaces, "hostInterfaces"));
  exports.Set("keepNeighbours", Napi::Function::New(env, keep, "keepNeighbours"));
  exports.Set("releaseNeighbours", Napi::Function::New(env, release, "releaseNeighbours"));
  exports.Set("realTime", Napi::Function::New(env, real_time, "realTime"));
  exports.Set("become", Napi::Function::New(env, become_program, "become"));
  exports.Set("executeWithoutCapabilities", Napi::Function::New(env, execute_bare, "executeWithoutCapabilities"));
  exports.Set("sdNotify", Napi::Function::New(env, notify, "sdNotify"));
  return exports;
}

}  // namespace
}  // namespace vipd

Napi::Object Init(Napi::Env env, Napi::Object exports) { return vipd::init(env, exports); }
NODE_API_MODULE(vipd, Init)
