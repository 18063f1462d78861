"""What a process answers over HTTP: probes and metrics, on a thread or in a process of its own."""

from longshore.http.answers import Answers, Reply, answers_of
from longshore.http.beside import Beside
from longshore.http.listening import listen, split, url_of
from longshore.http.server import Server

__all__ = ["Answers", "Beside", "Reply", "Server", "answers_of", "listen", "split", "url_of"]
