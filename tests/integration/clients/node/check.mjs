// Why: what a program on the JavaScript client does: lists, watches, patches, execs, reads logs, forwards ports.
// Speaks TAP; the pod to talk to is that of client.test.
import * as k8s from '@kubernetes/client-node';
import assert from 'node:assert/strict';
import net from 'node:net';
import { PassThrough, Writable } from 'node:stream';

const [namespace, pod, container] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

let n = 0;
let bad = 0;
async function check(name, body) {
	n++;
	let timer;
	const late = new Promise((_, no) => {
		timer = setTimeout(() => no(new Error('no answer in 20 s')), 20000);
	});
	try {
		await Promise.race([body(), late]);
		console.log(`ok ${n} - ${name}`);
	} catch (e) {
		bad++;
		console.log(`not ok ${n} - ${name}`);
		console.log(String(e.stack).replace(/^/gm, '# '));
	}
	clearTimeout(timer);
}

// Everything written to it, and a promise of a text in it.
class Sink extends Writable {
	text = '';
	waiting = [];
	_write(chunk, _encoding, done) {
		this.text += chunk;
		this.waiting = this.waiting.filter(([wanted, yes]) => !this.text.includes(wanted) || yes());
		done();
	}
	has(wanted) {
		return this.text.includes(wanted) ? Promise.resolve() :
			new Promise((yes) => this.waiting.push([wanted, yes]));
	}
}

const name = `node-client-${process.pid}`;
const patched = (how) => k8s.setHeaderOptions('Content-Type', how);

await check('list', async () => {
	const list = await core.listNamespacedPod({ namespace });
	assert.equal(list.kind, 'PodList');
	assert(list.items.some((p) => p.metadata.name === pod && p.status.phase === 'Running'));
	assert(list.items[0].metadata.creationTimestamp instanceof Date);
});
await check('list by label, in pages', async () => {
	const first = await core.listNamespacedConfigMap({ namespace: 'kube-system', limit: 1 });
	assert.equal(first.items.length, 1);
	const none = await core.listNamespacedPod({ namespace, labelSelector: 'app=nobody' });
	assert.equal(none.items.length, 0);
});
await check('create, read, patch, replace, delete, and a watch that sees it all', async () => {
	const seen = [];
	let gone;
	const end = new Promise((yes, no) => {
		gone = { yes, no };
	});
	const watch = await new k8s.Watch(config).watch(`/api/v1/namespaces/${namespace}/configmaps`,
		{ allowWatchBookmarks: true, fieldSelector: `metadata.name=${name}` },
		(type, object) => {
			seen.push(`${type} ${object.data?.a}`);
			if (type === 'DELETED') gone.yes();
		}, (e) => gone.no(e ?? new Error('the watch ended')));
	await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { a: '1' } } });
	const made = await core.readNamespacedConfigMap({ name, namespace });
	assert.equal(made.data.a, '1');
	await core.patchNamespacedConfigMap({ name, namespace, body: { data: { a: '2' } } },
		patched(k8s.PatchStrategy.MergePatch));
	await core.patchNamespacedConfigMap({ name, namespace,
		body: [{ op: 'replace', path: '/data/a', value: '3' }] }, patched(k8s.PatchStrategy.JsonPatch));
	await core.patchNamespacedConfigMap({ name, namespace, body: { data: { a: '4' } } },
		patched(k8s.PatchStrategy.StrategicMergePatch));
	await core.patchNamespacedConfigMap({ name, namespace, fieldManager: 'test', force: true,
		body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '5' } } },
		patched(k8s.PatchStrategy.ServerSideApply));
	const now = await core.readNamespacedConfigMap({ name, namespace });
	await core.replaceNamespacedConfigMap({ name, namespace, body: { ...now, data: { a: '6' } } });
	await assert.rejects(core.replaceNamespacedConfigMap({ name, namespace, body: now }), (e) => e.code === 409);
	await core.deleteNamespacedConfigMap({ name, namespace });
	await end;
	watch.abort();
	assert.deepEqual(seen, ['ADDED 1', 'MODIFIED 2', 'MODIFIED 3', 'MODIFIED 4', 'MODIFIED 5', 'MODIFIED 6', 'DELETED 6']);
});
await check('what is not there is a Status with reason NotFound', async () => {
	await assert.rejects(core.readNamespacedPod({ name: 'nobody', namespace }), (e) => {
		assert.equal(e.code, 404);
		assert.equal(JSON.parse(e.body).reason, 'NotFound');
		return true;
	});
});
await check('an informer lists, then follows', async () => {
	const list = () => core.listNamespacedConfigMap({ namespace });
	const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
	const added = new Promise((yes) => informer.on('add', (o) => o.metadata.name === name && yes()));
	const deleted = new Promise((yes) => informer.on('delete', (o) => o.metadata.name === name && yes()));
	await informer.start();
	await core.createNamespacedConfigMap({ namespace, body: { metadata: { name } } });
	await added;
	await core.deleteNamespacedConfigMap({ name, namespace });
	await deleted;
	await informer.stop();
});
await check('scale, by subresource', async () => {
	const scale = await apps.readNamespacedDeploymentScale({ name: 'client', namespace });
	assert.equal(scale.spec.replicas, 1);
	const same = await apps.replaceNamespacedDeploymentScale({ name: 'client', namespace, body: scale });
	assert.equal(same.kind, 'Scale');
});
await check('exec: output, errors and exit status over WebSocket', async () => {
	const out = new Sink();
	const err = new Sink();
	const status = await new Promise((yes, no) => new k8s.Exec(config).exec(namespace, pod, container,
		['sh', '-c', 'echo out; echo err >&2; exit 7'], out, err, null, false, yes).catch(no));
	await out.has('out\n');
	await err.has('err\n');
	assert.equal(status.status, 'Failure');
	assert.equal(status.details.causes[0].message, '7');
});
await check('exec: input is passed on, byte by byte', async () => {
	const out = new Sink();
	const input = new PassThrough();
	const socket = await new k8s.Exec(config).exec(namespace, pod, container, ['cat'], out, null, input, false);
	const text = 'x'.repeat(300000);
	input.write(text);
	input.write('the end\n');
	await out.has('the end');
	assert.equal(out.text, `${text}the end\n`);
	socket.close();
});
await check('exec: a terminal, and its size', async () => {
	const out = new Sink();
	Object.assign(out, { rows: 33, columns: 77 });
	const input = new PassThrough();
	const socket = await new k8s.Exec(config).exec(namespace, pod, container, ['sh'], out, null, input, true);
	const sized = async () => {
		for (;;) {
			const before = out.text.length;
			input.write('stty size; echo do""ne\n');
			await new Promise((yes) => setTimeout(yes, 50));
			if (out.text.slice(before).includes('33 77')) return;
		}
	};
	await sized();
	socket.close();
});
await check('log', async () => {
	const out = new Sink();
	const abort = await new k8s.Log(config).log(namespace, pod, container, out, { follow: true, tailLines: 5 });
	await out.has('hello from the pod');
	abort.abort();
	const text = await core.readNamespacedPodLog({ name: pod, namespace, container });
	assert.match(text, /hello from the pod/);
});
await check('port-forward', async () => {
	const forward = new k8s.PortForward(config);
	const server = net.createServer((s) => forward.portForward(namespace, pod, [8000], s, null, s));
	await new Promise((yes) => server.listen(0, '127.0.0.1', yes));
	const answer = new Sink();
	const client = net.connect(server.address().port, '127.0.0.1');
	client.pipe(answer);
	client.write('GET / HTTP/1.0\r\n\r\n');
	await answer.has('200 OK');
	client.destroy();
	server.close();
});
console.log(`1..${n}`);
process.exit(bad ? 1 : 0);
