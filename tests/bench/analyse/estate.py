"""An estate of so many resources, as a company's cluster has them: applications of ten resources each in namespaces of fifty
applications, every fortieth with a mistake. The same number gives the same text.

    estate.py RESOURCES [NAMESPACES' PREFIX]    writes the manifests to standard output
"""
import sys

PER_APP = 10
APPS_PER_SPACE = 50

NAMESPACE = """---
apiVersion: v1
kind: Namespace
metadata:
  name: {space}
  labels:
    team: {space}
    pod-security.kubernetes.io/enforce: baseline
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: base
  namespace: {space}
spec:
  podSelector: {{}}
  policyTypes: [Ingress, Egress]
  egress:
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
"""

APP = """---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {space}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: {space}
data:
  LOG_LEVEL: info
  UPSTREAM_URL: http://{upstream}.{space}.svc.cluster.local:80/v1
  FEATURES: search,cart,checkout
---
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: {space}
type: Opaque
stringData:
  API_TOKEN: token-of-{name}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {space}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: {space}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        app.kubernetes.io/part-of: {space}
    spec:
      serviceAccountName: {name}
      containers:
      - name: main
        image: registry.example.com/{space}/{name}:1.4.2
        ports:
        - name: http
          containerPort: 8080
        - name: metrics
          containerPort: 9090
        envFrom:
        - configMapRef:
            name: {name}
        env:
        - name: API_TOKEN
          valueFrom:
            secretKeyRef:
              name: {name}
              key: API_TOKEN
        readinessProbe:
          httpGet:
            path: /ready
            port: http
          periodSeconds: 5
        livenessProbe:
          httpGet:
            path: /live
            port: http
          periodSeconds: 10
        lifecycle:
          preStop:
            exec:
              command: ["sleep", "10"]
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
          limits:
            memory: 256Mi
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {space}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {selected}
  ports:
  - name: http
    port: 80
    targetPort: http
  - name: metrics
    port: 9090
    targetPort: metrics
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  namespace: {space}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 70
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
  namespace: {space}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
  namespace: {space}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {name}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {caller}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: ingress-nginx
    ports:
    - port: http
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: monitoring
    ports:
    - port: metrics
  egress:
  - to:
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {upstream}
    ports:
    - port: 8080
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: {space}
spec:
  ingressClassName: nginx
  rules:
  - host: {name}.{space}.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: {name}
            port:
              name: http
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {name}
  namespace: {space}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  endpoints:
  - port: metrics
    interval: 30s
"""

PROMETHEUS = """---
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prometheus
  namespace: monitoring
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: prometheus
  template:
    metadata:
      labels:
        app.kubernetes.io/name: prometheus
    spec:
      containers:
      - name: prometheus
        image: quay.io/prometheus/prometheus:v2.53.0
        ports:
        - name: web
          containerPort: 9090
"""


def generate(resources, prefix="team"):
    yield PROMETHEUS
    for i in range(resources // PER_APP):
        first = i - i % APPS_PER_SPACE
        space = f"{prefix}-{i // APPS_PER_SPACE}"
        if i == first:
            yield NAMESPACE.format(space=space)
        name = f"app-{i}"
        yield APP.format(name=name, space=space, upstream=f"app-{first + (i + 1) % APPS_PER_SPACE}",
                         caller=f"app-{first + (i - 1) % APPS_PER_SPACE}",
                         selected=f"ap-{i}" if i % 40 == 39 else name)


if __name__ == "__main__":
    for text in generate(int(sys.argv[1]), *sys.argv[2:]):
        sys.stdout.write(text)
