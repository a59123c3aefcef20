//! `gpt2-eval view`: the page is opened, or served on this machine only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::chromium::Chromium;
use crate::common::{gpt2_eval, refused, run_on_sample};

/// Sends bytes to the server and returns its whole response.
fn answered(port: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(request).unwrap();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server that ends with the test, also when an assertion fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_page_is_served_on_this_machine_only() {
    let run = run_on_sample("lambada", &["--limit", "2"]);
    let child = Command::new(assert_cmd::cargo::cargo_bin("gpt2-eval"))
        .args(["view", "run", "--serve", "--no-open"])
        .current_dir(run.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().to_owned();
    let port = address.trim_start_matches("http://127.0.0.1:").trim_end_matches('/').to_owned();
    let get = |line: &str, host: &str| answered(&port, format!("{line}\r\nHost: {host}\r\n\r\n").as_bytes());
    let own = format!("127.0.0.1:{port}");

    let page = get("GET / HTTP/1.1", &own);
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("</html>\n"),
        "{}",
        &page[..page.len().min(300)]
    );
    let head = get("HEAD / HTTP/1.1", &own);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(get("GET /manifest.json HTTP/1.1", &own).starts_with("HTTP/1.1 404 "));
    assert!(get("DELETE / HTTP/1.1", &own).starts_with("HTTP/1.1 405 "));
    let rebound = get("GET / HTTP/1.1", &format!("attacker.example:{port}"));
    assert!(rebound.starts_with("HTTP/1.1 403 ") && !rebound.contains("lambada"), "{rebound}");
    for nonsense in
        [&b"\xff\xfe\x00"[..], b"", b"GET", &vec![b'a'; 70_000], b"GET / HTTP/1.1\r\nHost\r\n\r\n"]
    {
        assert!(!answered(&port, nonsense).contains("200 OK"));
    }
    assert!(!run.path().join("run/report.html").exists(), "served, not written");

    if let Some(mut browser) = Chromium::start() {
        browser.open(&address);
        assert_eq!(browser.value("document.getElementById('count').textContent"), "4 of 4 answers");
        assert_eq!(browser.complaints(&address), Vec::<String>::new());
    }

    let killed = Command::new("kill").args(["-INT", &server.0.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "Ctrl-C ends it without an error");
}

#[test]
fn the_page_is_opened_by_the_platforms_opener() {
    let run = run_on_sample("lambada", &["--limit", "2"]);
    let path = run.path();
    std::fs::create_dir(path.join("bin")).unwrap();
    let opener = path.join("bin/xdg-open");
    std::fs::write(&opener, "#!/bin/sh\nprintf %s \"$1\" > opened.tmp && mv opened.tmp opened\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&opener).status().unwrap().success());
    let search = format!("{}:{}", path.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let output = gpt2_eval(path).args(["view", "run"]).env("PATH", search).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let began = std::time::Instant::now();
    while !path.join("opened").exists() && began.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let opened = std::fs::read_to_string(path.join("opened")).unwrap();
    assert!(opened.starts_with('/') && opened.ends_with("run/report.html"), "{opened}");

    let output = gpt2_eval(path).args(["view", "run"]).env("PATH", "").output().unwrap();
    assert!(output.status.success());
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.starts_with("warning: cannot start xdg-open"), "{note}");

    // The same page as an export, and the same bytes each time.
    let exported = gpt2_eval(path).args(["report", "run", "--format", "html"]).output().unwrap();
    assert_eq!(exported.stdout, std::fs::read(path.join("run/report.html")).unwrap());
    assert!(refused(path, &["view", "nothing"]).contains("not a run directory"));
}
