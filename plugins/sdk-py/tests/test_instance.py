from __future__ import annotations

import unittest

from carillon_plugin import instance_url


class Instances(unittest.TestCase):
    def test_a_server_is_reached_by_https_and_on_loopback_by_http(self) -> None:
        for instance, want in {
            "mastodon.example": "https://mastodon.example",
            "https://mastodon.example/": "https://mastodon.example",
            "http://mastodon.example": "https://mastodon.example",
            "127.0.0.1:19755": "http://127.0.0.1:19755",
            "localhost:8080": "http://localhost:8080",
            "[::1]:8080": "http://[::1]:8080",
            "127.0.0.1.example": "https://127.0.0.1.example",
            "10.0.0.1:80": "https://10.0.0.1:80",
        }.items():
            self.assertEqual(instance_url(instance), want)
