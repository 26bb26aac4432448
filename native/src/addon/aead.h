// AES-GCM for the gossip's seal, by the OpenSSL that Node exports. JavaScript thread only.
#pragma once

#include <napi.h>

namespace vipd {

void define_aead(Napi::Env env, Napi::Object exports);

}  // namespace vipd
