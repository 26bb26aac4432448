{
  "variables": { "sanitize%": "" },
  "targets": [
    {
      "target_name": "vipd",
      "sources": [
        "src/packets/address.cc",
        "src/packets/arp.cc",
        "src/packets/frame.cc",
        "src/packets/ndp.cc",
        "src/decision/announcements.cc",
        "src/decision/decide.cc",
        "src/decision/table.cc",
        "src/os/address_holder.cc",
        "src/os/asker.cc",
        "src/os/filter.cc",
        "src/os/flood_gate.cc",
        "src/os/groups.cc",
        "src/os/host_interfaces.cc",
        "src/os/lease.cc",
        "src/os/link_monitor.cc",
        "src/os/lo_addresses.cc",
        "src/os/neighbours.cc",
        "src/os/netlink.cc",
        "src/os/notify.cc",
        "src/os/outbox.cc",
        "src/os/packet_socket.cc",
        "src/os/port.cc",
        "src/os/responder.cc",
        "src/os/responder_frames.cc",
        "src/os/responder_links.cc",
        "src/os/responder_time.cc",
        "src/os/sys.cc",
        "src/os/udp_socket.cc",
        "src/addon/addon.cc",
        "src/addon/aead.cc",
        "src/addon/convert.cc",
        "src/addon/lease_keeper.cc",
        "src/addon/loop.cc"
      ],
      "include_dirs": ["src", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_GNU_SOURCE"],
      "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++17", "-O2"],
      "conditions": [
        ["sanitize!=''", {
          "cflags": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=<(sanitize)"]
        }]
      ]
    }
  ]
}
