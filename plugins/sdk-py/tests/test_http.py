from __future__ import annotations

import base64
import threading
import time
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

from carillon_plugin import Fault, commit, fault_of

from .fixtures import Raw, call, env

OK = {"read": True, "send": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: r1\r\n\r\n{}", "end": "close"}


class Requests(unittest.TestCase):
    def test_only_reads_follow_redirects_and_a_token_stays_with_its_host(self) -> None:
        there = Raw(self, OK)
        moved = f"HTTP/1.1 308 Moved\r\nLocation: {there.url}\r\nContent-Length: 0\r\n\r\n"
        here = Raw(self, {"read": True, "send": moved, "end": "close"})
        self.assertEqual(call().fetch(here.url, "POST", json={}).status, 308)
        self.assertEqual(call().fetch(here.url, token="secret").status, 200)
        self.assertEqual(there.lines, 1)
        self.assertNotIn("secret", there.heard[0])

    def test_a_fetch_that_fails_may_be_repeated_and_is_not_repeated_here(self) -> None:
        server = Raw(self, {"read": True, "end": "reset"})
        with self.assertRaises(Fault) as raised:
            call().fetch(server.url)
        self.assertEqual((raised.exception.kind, raised.exception.source), ("transient", "network"))
        self.assertEqual(server.lines, 1)

    def test_a_request_goes_out_and_is_noted(self) -> None:
        server, ctx = Raw(self, OK), call()
        ctx.fetch(server.url + "/p?q=1", "PUT", token="tok", json={"a": "é"})
        self.assertTrue(server.heard[0].startswith("PUT /p?q=1 HTTP/1.1\r\n"))
        for header in ("Authorization: Bearer tok", "Content-Type: application/json", "Content-Length: 15"):
            self.assertIn(header + "\r\n", server.heard[0])
        note = ctx.notes[0]
        seen = (note.host, note.method, note.path, note.status, note.bytes_out, note.bytes_in, note.request_id)
        self.assertEqual(seen, (server.url.removeprefix("http://"), "PUT", "/p", 200, 15, 2, "r1"))

    def test_a_body_is_streamed_from_one_request_into_another(self) -> None:
        got = []

        class Both(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(1 << 20))
                self.end_headers()
                self.wfile.write(b"x" * (1 << 20))

            def do_POST(self) -> None:
                got.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Both)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url, ctx = f"http://127.0.0.1:{server.server_port}", call(10)
        with ctx.open(url) as picture:
            whole = picture.read()
        self.assertEqual(len(whole), 1 << 20)
        server2 = Raw(self, {"send": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "end": "close"})
        with self.assertRaises(OSError), ctx.open(server2.url) as cut:
            while cut.read(4):
                pass
        ctx.fetch(url, "POST", body=whole)
        self.assertEqual(got, [1 << 20])

    def test_the_proxy_is_used_even_for_loopback_and_hears_who_asks(self) -> None:
        proxy, direct = Raw(self, OK), Raw(self, {**OK, "send": "HTTP/1.1 204 No\r\n\r\n"})
        env(self, HTTPS_PROXY=proxy.url.replace("//", "//plug:p%40ss@"), NO_PROXY="localhost," + direct.url.removeprefix("http://"))
        self.assertEqual(call().fetch("http://127.0.0.1:1/x?y=1").status, 200)
        self.assertTrue(proxy.heard[0].startswith("GET http://127.0.0.1:1/x?y=1 HTTP"))
        self.assertIn("Proxy-Authorization: Basic " + base64.b64encode(b"plug:p@ss").decode(), proxy.heard[0])
        self.assertEqual(call().fetch(direct.url).status, 204)
        commit(call(), "http://127.0.0.1:1/")
        self.assertEqual(proxy.lines, 2)

    def test_calls_at_once_each_say_which_they_are_and_a_commit_does_too(self) -> None:
        proxy = Raw(self, OK)

        def at(name: str) -> str:
            return proxy.url.replace("//", f"//plug:{name}@")

        env(self, HTTPS_PROXY=at("own"))
        runs = [threading.Thread(target=call(5, True, at(name)).fetch, args=(f"http://perch.example/{name}",)) for name in "ab"]
        runs.append(threading.Thread(target=commit, args=(call(5, True, at("c")), "http://perch.example/c")))
        runs.append(threading.Thread(target=call(5).fetch, args=("http://perch.example/own",)))
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        for name in ("a", "b", "c", "own"):
            heard = [h for h in proxy.heard if f"http://perch.example/{name} " in h]
            said = "Proxy-Authorization: Basic " + base64.b64encode(f"plug:{name}".encode()).decode()
            self.assertIn(said, "".join(heard))

    def test_a_call_that_is_not_armed_sends_nothing_and_one_commits_once(self) -> None:
        server = Raw(self, OK)
        with self.assertRaises(Fault) as raised:
            commit(call(armed=False), server.url)
        self.assertEqual((raised.exception.kind, raised.exception.key), ("permanent", "plugin.commit_unarmed"))
        ctx = call()
        commit(ctx, server.url)
        with self.assertRaises(RuntimeError) as again:
            commit(ctx, server.url)
        self.assertEqual(fault_of(again.exception, True).kind, "ambiguous")
        self.assertEqual(server.lines, 1)

    def test_nothing_is_sent_after_the_deadline_however_late_this_process_wakes_up(self) -> None:
        server, now, slept = Raw(self, {"read": True, "end": "stall"}), time.time, list[int]()
        connect = HTTPConnection.connect

        def slowly(line: HTTPConnection) -> None:
            connect(line)
            slept.append(120)

        ctx = call(60)
        with patch.object(HTTPConnection, "connect", slowly), patch("time.time", lambda: now() + sum(slept)):
            with self.assertRaises(Fault) as raised:
                commit(ctx, server.url, json={})
        self.assertEqual(raised.exception.kind, "ambiguous")
        self.assertEqual([h for h in server.heard if h], [])

    def test_a_call_that_ends_ends_its_request(self) -> None:
        server, ctx = Raw(self, {"read": True, "end": "stall"}), call(60)

        def give_up() -> None:
            while not server.heard:
                time.sleep(0.01)
            ctx.end()

        threading.Thread(target=give_up).start()
        with self.assertRaises(Fault) as raised:
            commit(ctx, server.url)
        self.assertEqual(raised.exception.kind, "ambiguous")
