// The Temporal server on PostgreSQL as one program: its four services, its web interface and the tables they need.
//
// temporal FRONTEND-PORT UI-PORT [KEY=JSON …], with the URL of the database server in DATABASE_URL; what follows the ports is dynamic
// configuration.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/tools/common/schema"
	sqltool "go.temporal.io/server/tools/sql"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	host      = "127.0.0.1"
	plugin    = "postgres12"
	retention = 7 * 24 * time.Hour
	shards    = 4
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: temporal FRONTEND-PORT UI-PORT [KEY=JSON …]")
	}
	frontend, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	ui, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	database, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	settings, err := dynamic(args[2:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	stores := map[string]config.DataStore{}
	for _, name := range []string{"temporal", "visibility"} {
		password, _ := database.User.Password()
		store := config.SQL{
			PluginName: plugin, ConnectProtocol: "tcp", ConnectAddr: database.Host,
			User: database.User.Username(), Password: password, DatabaseName: name,
			MaxConns: 20, MaxIdleConns: 20, MaxConnLifetime: time.Hour,
		}
		if err := tables(store, name); err != nil {
			return fmt.Errorf("making the tables of %s: %w", name, err)
		}
		stores[name] = config.DataStore{SQL: &store}
	}
	server, err := start(frontend, stores, settings)
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := namespace(ctx, frontend); err != nil {
		return err
	}
	pages := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host: host, Port: ui, TemporalGRPCAddress: address(frontend), EnableUI: true, HideLogs: true,
	}))
	defer pages.Stop()
	ended := make(chan error, 1)
	go func() { ended <- pages.Start() }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// dynamic reads KEY=JSON.
func dynamic(args []string) (dynamicconfig.StaticClient, error) {
	settings := dynamicconfig.StaticClient{}
	for _, arg := range args {
		key, text, _ := strings.Cut(arg, "=")
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		if number, ok := value.(float64); ok && number == float64(int(number)) {
			value = int(number)
		}
		settings[dynamicconfig.MakeKey(key)] = value
	}
	return settings, nil
}

// tables makes a database and its tables, or brings them up to date.
func tables(store config.SQL, name string) error {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: true, Level: "warn"}))
	made := store
	if err := sqltool.DoCreateDatabase(&made, "postgres", logger); err != nil {
		return err
	}
	connection, err := sqltool.NewConnection(&store, logger)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := connection.ReadSchemaVersion(); err != nil {
		first := &schema.SetupConfig{InitialVersion: "0.0"}
		if err := schema.NewSetupSchemaTask(connection, first, logger).Run(); err != nil {
			return err
		}
	}
	latest := &schema.UpdateConfig{SchemaName: "postgresql/v12/" + name}
	return schema.NewUpdateSchemaTask(connection, latest, logger).Run()
}

func start(frontend int, stores map[string]config.DataStore, settings dynamicconfig.StaticClient) (temporal.Server, error) {
	services := map[string]config.Service{}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for _, name := range []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	} {
		port := frontend
		if name != primitives.FrontendService {
			var err error
			if port, err = free(); err != nil {
				return nil, err
			}
		}
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
		hosts[name] = static.SingleLocalHost(address(port))
	}
	return launch(&config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}},
		Persistence: config.Persistence{
			DefaultStore: "temporal", VisibilityStore: "visibility", NumHistoryShards: shards, DataStores: stores,
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
			ClusterInformation: map[string]cluster.ClusterInformation{
				"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address(frontend)},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		PublicClient:        config.PublicClient{HostPort: address(frontend)},
	}, hosts, settings)
}

func launch(
	settings *config.Config, hosts map[primitives.ServiceName]static.Hosts, dynamic dynamicconfig.StaticClient,
) (temporal.Server, error) {
	server, err := temporal.NewServer(
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithConfig(settings),
		temporal.WithStaticHosts(hosts),
		temporal.WithDynamicConfigClient(dynamic),
		temporal.WithLogger(log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: true, Level: "warn"}))),
	)
	if err != nil {
		return nil, err
	}
	return server, server.Start()
}

// free is a port nobody has at this moment.
func free() (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// namespace makes the namespace `default`, once the server serves.
func namespace(ctx context.Context, frontend int) error {
	connection, err := grpc.NewClient(address(frontend), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := workflowservice.NewWorkflowServiceClient(connection)
	for {
		_, err := client.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: "default", WorkflowExecutionRetentionPeriod: durationpb.New(retention),
		})
		var known *serviceerror.NamespaceAlreadyExists
		if err == nil || errors.As(serviceerror.FromStatus(status.Convert(err)), &known) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}
