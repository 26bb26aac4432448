// See aead.h. Node makes an object, a stream and a fetched cipher for every datagram; here each key has its contexts once, and a
// datagram costs one call. Which bytes mean what is the wire's business (src/wire/seal.ts).
#include "addon/aead.h"

#include <openssl/evp.h>

#include <cstring>
#include <memory>

namespace vipd {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kBlockBytes = 16;
/** GCM encrypts from counter 2 on. */
constexpr uint8_t kFirstCounter = 2;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* gcm_of(size_t key_bytes) {
  return key_bytes == 16 ? EVP_aes_128_gcm() : key_bytes == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

const EVP_CIPHER* ecb_of(size_t key_bytes) {
  return key_bytes == 16 ? EVP_aes_128_ecb() : key_bytes == 24 ? EVP_aes_192_ecb() : EVP_aes_256_ecb();
}

/** `new Aead(key)`: 16, 24 or 32 bytes. Sealed is: nonce, ciphertext, tag. */
class Aead : public Napi::ObjectWrap<Aead> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Aead",
                       {InstanceMethod<&Aead::seal>("seal"), InstanceMethod<&Aead::open>("open"),
                        InstanceMethod<&Aead::peek>("peek")});
  }

  explicit Aead(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Aead>(info) {
    const auto key = info[0].As<Napi::Uint8Array>();
    const size_t size = key.ByteLength();
    if (size != 16 && size != 24 && size != 32) throw Napi::RangeError::New(info.Env(), "a key has 16, 24 or 32 bytes");
    seals_.reset(EVP_CIPHER_CTX_new());
    opens_.reset(EVP_CIPHER_CTX_new());
    blocks_.reset(EVP_CIPHER_CTX_new());
    // A nonce of 12 bytes is GCM's default.
    if (EVP_EncryptInit_ex(seals_.get(), gcm_of(size), nullptr, key.Data(), nullptr) != 1 ||
        EVP_DecryptInit_ex(opens_.get(), gcm_of(size), nullptr, key.Data(), nullptr) != 1 ||
        EVP_EncryptInit_ex(blocks_.get(), ecb_of(size), nullptr, key.Data(), nullptr) != 1) {
      throw Napi::Error::New(info.Env(), "OpenSSL refuses AES");
    }
    EVP_CIPHER_CTX_set_padding(blocks_.get(), 0);
  }

 private:
  /** seal(out, at, plain, aad): behind the nonce that stands in `out` at `at`, the ciphertext and the tag. */
  void seal(const Napi::CallbackInfo& info) {
    auto out = info[0].As<Napi::Uint8Array>();
    const size_t at = info[1].As<Napi::Number>().Uint32Value();
    const auto plain = info[2].As<Napi::Uint8Array>();
    const auto aad = info[3].As<Napi::Uint8Array>();
    const size_t size = plain.ByteLength();
    if (out.ByteLength() < kNonceBytes + kTagBytes + size || out.ByteLength() - kNonceBytes - kTagBytes - size < at) {
      throw Napi::RangeError::New(info.Env(), "no room for the seal");
    }
    uint8_t* const nonce = out.Data() + at;
    uint8_t* const body = nonce + kNonceBytes;
    EVP_CIPHER_CTX* const context = seals_.get();
    int written = 0;
    if (EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) != 1 ||
        EVP_EncryptUpdate(context, nullptr, &written, aad.Data(), static_cast<int>(aad.ByteLength())) != 1 ||
        EVP_EncryptUpdate(context, body, &written, plain.Data(), static_cast<int>(size)) != 1 ||
        EVP_EncryptFinal_ex(context, body + size, &written) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, body + size) != 1) {
      throw Napi::Error::New(info.Env(), "OpenSSL refuses to seal");
    }
  }

  /** open(sealed, plain, aad): true if authentic; else `plain` is worthless. */
  Napi::Value open(const Napi::CallbackInfo& info) {
    const auto sealed = info[0].As<Napi::Uint8Array>();
    auto plain = info[1].As<Napi::Uint8Array>();
    const auto aad = info[2].As<Napi::Uint8Array>();
    const size_t size = plain.ByteLength();
    if (sealed.ByteLength() != kNonceBytes + size + kTagBytes) throw Napi::RangeError::New(info.Env(), "not its plaintext's size");
    const uint8_t* const body = sealed.Data() + kNonceBytes;
    EVP_CIPHER_CTX* const context = opens_.get();
    uint8_t tag[kTagBytes];
    std::memcpy(tag, body + size, kTagBytes);
    int written = 0;
    const bool authentic =
        EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, sealed.Data()) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) == 1 &&
        EVP_DecryptUpdate(context, nullptr, &written, aad.Data(), static_cast<int>(aad.ByteLength())) == 1 &&
        EVP_DecryptUpdate(context, plain.Data(), &written, body, static_cast<int>(size)) == 1 &&
        EVP_DecryptFinal_ex(context, tag, &written) == 1;
    return Napi::Boolean::New(info.Env(), authentic);
  }

  /** peek(sealed, start): the plaintext's first bytes, a block at most, not authenticated. */
  void peek(const Napi::CallbackInfo& info) {
    const auto sealed = info[0].As<Napi::Uint8Array>();
    auto start = info[1].As<Napi::Uint8Array>();
    const size_t size = start.ByteLength();
    if (size > kBlockBytes || sealed.ByteLength() < kNonceBytes + size) {
      throw Napi::RangeError::New(info.Env(), "more than a block, or than is there");
    }
    uint8_t counter[kBlockBytes] = {};
    std::memcpy(counter, sealed.Data(), kNonceBytes);
    counter[kBlockBytes - 1] = kFirstCounter;
    uint8_t stream[kBlockBytes];
    int written = 0;
    if (EVP_EncryptUpdate(blocks_.get(), stream, &written, counter, sizeof counter) != 1) {
      throw Napi::Error::New(info.Env(), "OpenSSL refuses a block");
    }
    for (size_t i = 0; i < size; i++) start.Data()[i] = sealed.Data()[kNonceBytes + i] ^ stream[i];
  }

  Context seals_;
  Context opens_;
  Context blocks_;
};

}  // namespace

void define_aead(Napi::Env env, Napi::Object exports) { exports.Set("Aead", Aead::define(env)); }

}  // namespace vipd
