#!/usr/bin/env python3
"""Creates services until the server dies: writer.py URL FOLDER PREFIX. Prints a line "name clusterIP" for each
that was answered, over several connections at once."""
import http.client
import json
import ssl
import sys
import threading
import urllib.parse

url = urllib.parse.urlparse(sys.argv[1])
context = ssl._create_unverified_context()
context.load_cert_chain(sys.argv[2] + "/client.certificate", sys.argv[2] + "/client.key")
lock = threading.Lock()


def work(n):
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=5)
    try:
        for i in range(100000):
            name = f"{sys.argv[3]}-{n}-{i}"
            connection.request("POST", "/api/v1/namespaces/default/services",
                               json.dumps({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status != 201:
                print(answer.status, flush=True)
                return
            with lock:
                print(name, body["spec"]["clusterIP"], flush=True)
    except (OSError, http.client.HTTPException, ValueError):
        return


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
