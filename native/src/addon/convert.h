// Values across the border: JavaScript arguments to ours, events and completions to JavaScript. JavaScript thread only.
#pragma once

#include <napi.h>

#include "os/outbox.h"
#include "os/host_interfaces.h"
#include "os/responder.h"

namespace vipd {

/** Each throws a TypeError that names what was wrong. */
Ip to_ip(const Napi::Value& value);
std::vector<Ip> to_ips(const Napi::Value& value);
std::vector<std::string> to_strings(const Napi::Value& value);
std::vector<Intent> to_intents(const Napi::Value& value);
std::vector<Place> to_places(const Napi::Value& value);
/** ms as a double to ns; infinities and NaN saturate (-Infinity and NaN: 0). */
int64_t to_ns(double ms);

Napi::Object from_link(Napi::Env env, const LinkState& link);
Napi::Array from_host(Napi::Env env, const std::vector<HostInterface>& host);
Napi::Object from_event(Napi::Env env, const Event& event);
Napi::Object from_completion(Napi::Env env, const Completion& completion);

}  // namespace vipd
