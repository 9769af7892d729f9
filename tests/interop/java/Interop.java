/* Runs grpc-java's official interop client for several cases in one virtual machine: its main ends the process after
 * one. tests/interop/run calls it: Interop <host:port> <h2c|tls>[+okhttp] <case>... It prints "ok <case>" or
 * "failed <case>: why". What must stay true: the steps are those of TestServiceClient.main, in its order. */
import io.grpc.testing.integration.TestServiceClient;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

public final class Interop {
    private static void call(TestServiceClient client, String name, Object... arguments) throws Exception {
        Class<?>[] types = arguments.length == 0 ? new Class<?>[0] : new Class<?>[] {String[].class};
        Method method = TestServiceClient.class.getDeclaredMethod(name, types);
        method.setAccessible(true);
        method.invoke(client, arguments);
    }

    private static void run(String address, String transport, String name) throws Exception {
        int colon = address.lastIndexOf(':');
        TestServiceClient client = new TestServiceClient();
        String[] flags = {
            "--server_host=" + address.substring(0, colon), "--server_port=" + address.substring(colon + 1),
            "--use_tls=" + transport.startsWith("tls"), "--use_okhttp=" + transport.endsWith("okhttp"),
            "--test_case=" + name, "--soak_iterations=5", "--soak_min_time_ms_between_rpcs=0",
            "--soak_overall_timeout_seconds=20", "--soak_per_iteration_max_acceptable_latency_ms=20000",
        };
        call(client, "parseArgs", (Object) flags);
        call(client, "setUp");
        try {
            call(client, "run");
        } finally {
            call(client, "tearDown");
        }
    }

    public static void main(String[] arguments) {
        PrintStream out = System.out;
        boolean failed = false;
        System.setOut(System.err);
        for (int i = 2; i < arguments.length; i++) {
            Throwable problem = null;
            try {
                run(arguments[0], arguments[1], arguments[i]);
            } catch (InvocationTargetException e) {
                problem = e.getCause();
            } catch (Exception e) {
                problem = e;
            }
            for (; problem instanceof RuntimeException && problem.getCause() != null; problem = problem.getCause()) {
            }
            failed |= problem != null;
            out.println(problem == null ? "ok " + arguments[i]
                                        : "failed " + arguments[i] + ": " + problem.toString().replace('\n', ' '));
            out.flush();
        }
        System.exit(failed ? 1 : 0);
    }
}
