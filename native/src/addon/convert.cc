// See convert.h.
#include "addon/convert.h"

#include <cmath>

namespace vipd {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& from) {
  Napi::Array array = Napi::Array::New(env, from.size());
  for (size_t i = 0; i < from.size(); i++) array.Set(static_cast<uint32_t>(i), Napi::String::New(env, from[i]));
  return array;
}

Napi::Array require_array(const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "an array is wanted");
  return value.As<Napi::Array>();
}

std::string require_string(const Napi::Value& value) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), "a string is wanted");
  return value.As<Napi::String>().Utf8Value();
}

std::optional<Mac> to_mac(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  const std::string text = require_string(value);
  const std::optional<Mac> mac = parse_mac(text);
  if (!mac || mac->is_group()) throw Napi::TypeError::New(value.Env(), "\"" + text + "\" is not a unicast MAC");
  return mac;
}

}  // namespace

Ip to_ip(const Napi::Value& value) {
  const std::string text = require_string(value);
  const std::optional<Ip> ip = parse_ip(text);
  if (!ip) throw Napi::TypeError::New(value.Env(), "\"" + text + "\" is not an IP address");
  return *ip;
}

std::vector<Ip> to_ips(const Napi::Value& value) {
  const Napi::Array array = require_array(value);
  std::vector<Ip> ips;
  for (uint32_t i = 0; i < array.Length(); i++) ips.push_back(to_ip(array.Get(i)));
  return ips;
}

std::vector<std::string> to_strings(const Napi::Value& value) {
  const Napi::Array array = require_array(value);
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); i++) texts.push_back(require_string(array.Get(i)));
  return texts;
}

std::vector<Intent> to_intents(const Napi::Value& value) {
  const Napi::Array array = require_array(value);
  std::vector<Intent> intents;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object item = Napi::Value(array.Get(i)).As<Napi::Object>();
    intents.push_back({to_ip(item.Get("address")), require_string(item.Get("interface")), to_mac(item.Get("mac")),
                       to_mac(item.Get("heirMac"))});
  }
  return intents;
}

std::vector<Place> to_places(const Napi::Value& value) {
  const Napi::Array array = require_array(value);
  std::vector<Place> places;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object item = Napi::Value(array.Get(i)).As<Napi::Object>();
    places.push_back({to_ip(item.Get("address")), require_string(item.Get("interface"))});
  }
  return places;
}

int64_t to_ns(double ms) {
  // 9e12 ms are 285 years: beyond that the product would not fit.
  if (std::isnan(ms) || ms <= 0) return 0;
  return ms >= 9e12 ? INT64_MAX : static_cast<int64_t>(ms * 1e6);
}

Napi::Object from_link(Napi::Env env, const LinkState& link) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", link.name);
  out.Set("index", link.index);
  out.Set("mac", link.mac);
  out.Set("up", link.up);
  out.Set("carrier", link.carrier);
  out.Set("mtu", link.mtu);
  out.Set("master", link.master);
  out.Set("masterName", link.master_name);
  out.Set("masterKind", link.master_kind);
  return out;
}

Napi::Array from_host(Napi::Env env, const std::vector<HostInterface>& host) {
  Napi::Array out = Napi::Array::New(env, host.size());
  for (size_t i = 0; i < host.size(); i++) {
    Napi::Object one = from_link(env, host[i].link);
    one.Set("ethernet", host[i].ethernet);
    Napi::Array addresses = Napi::Array::New(env, host[i].addresses.size());
    for (size_t j = 0; j < host[i].addresses.size(); j++) {
      Napi::Object address = Napi::Object::New(env);
      address.Set("address", host[i].addresses[j].address);
      address.Set("prefix", host[i].addresses[j].prefix);
      address.Set("ours", host[i].addresses[j].ours);
      addresses.Set(static_cast<uint32_t>(j), address);
    }
    one.Set("addresses", addresses);
    out.Set(static_cast<uint32_t>(i), one);
  }
  return out;
}

Napi::Object from_event(Napi::Env env, const Event& event) {
  Napi::Object out = Napi::Object::New(env);
  switch (event.kind) {
    case Event::Kind::kLink:
      out.Set("kind", "link");
      out.Set("link", from_link(env, event.link));
      break;
    case Event::Kind::kAddresses:
      out.Set("kind", "addresses");
      break;
    case Event::Kind::kClaim:
      out.Set("kind", "claim");
      out.Set("interface", event.interface);
      out.Set("address", event.address);
      out.Set("mac", event.mac);
      out.Set("yielded", event.flag);
      break;
    case Event::Kind::kAnnounced:
      out.Set("kind", "announced");
      out.Set("interface", event.interface);
      out.Set("addresses", strings(env, event.addresses));
      out.Set("round", event.round);
      break;
    case Event::Kind::kAddressRemoved:
      out.Set("kind", "address-removed");
      out.Set("address", event.address);
      out.Set("restored", event.flag);
      break;
    case Event::Kind::kStalled:
      out.Set("kind", "stalled");
      break;
    case Event::Kind::kLeaseLapsed:
      out.Set("kind", "lease-lapsed");
      out.Set("at", static_cast<double>(event.at_ns) / 1e6);
      break;
    case Event::Kind::kTrouble:
      out.Set("kind", "trouble");
      out.Set("interface", event.interface);
      out.Set("address", event.address);
      out.Set("errno", event.error);
      out.Set("message", event.message);
      break;
  }
  return out;
}

Napi::Object from_completion(Napi::Env env, const Completion& completion) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("id", completion.id);
  out.Set("error", completion.error);
  out.Set("addresses", strings(env, completion.addresses));
  Napi::Array answers = Napi::Array::New(env, completion.answers.size());
  for (size_t i = 0; i < completion.answers.size(); i++) {
    Napi::Object answer = Napi::Object::New(env);
    answer.Set("address", completion.answers[i].address);
    answer.Set("mac", completion.answers[i].mac);
    answer.Set("afterMs", completion.answers[i].after_ms);
    answers.Set(static_cast<uint32_t>(i), answer);
  }
  out.Set("answers", answers);
  return out;
}

}  // namespace vipd
