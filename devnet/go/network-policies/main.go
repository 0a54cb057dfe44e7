// Command network-policies enforces the NetworkPolicies of one cluster of the local network.
//
// It is the controller of kube-network-policies with a kubeconfig, because it runs beside the kubelet and not in a
// pod. Packets reach it through the queue that `devnet/policies.py` fills.
package main

import (
	"context"
	"flag"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file with the credentials")
	node := flag.String("node", "", "name of the node whose pods are isolated")
	queue := flag.Int("queue", 0, "number of the queue of packets")
	klog.InitFlags(nil)
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *kubeconfig, networkpolicy.Config{NodeName: *node, QueueID: *queue}); err != nil {
		klog.ErrorS(err, "ended")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(ctx context.Context, kubeconfig string, settings networkpolicy.Config) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core, networking := factory.Core().V1(), factory.Networking().V1()
	controller, err := networkpolicy.NewController(
		client, networking.NetworkPolicies(), core.Namespaces(), core.Pods(), nil, nil, nil, nil, settings,
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
