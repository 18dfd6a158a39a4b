// A provider of Apache Dubbo: Main HOST PORT.
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

public class Main {
  public static class User implements java.io.Serializable {
    public String name;
    public int age;
    public long number;
    public double balance;
    public Date since;
    public List<String> tags;

    public String getName() { return name; }
    public void setName(String value) { name = value; }
    public int getAge() { return age; }
    public void setAge(int value) { age = value; }
    public long getNumber() { return number; }
    public void setNumber(long value) { number = value; }
    public double getBalance() { return balance; }
    public void setBalance(double value) { balance = value; }
    public Date getSince() { return since; }
    public void setSince(Date value) { since = value; }
    public List<String> getTags() { return tags; }
    public void setTags(List<String> value) { tags = value; }
  }

  public interface Users {
    String sayHello(String name);
    User older(User user, int years);
    Map<String, Object> echo(Map<String, Object> value);
    int count(String name);
    void nothing();
    String fail(String why);
    String slow(long milliseconds) throws InterruptedException;
  }

  public static class UsersService implements Users {
    private final AtomicInteger calls = new AtomicInteger();
    private volatile String last = "";

    public String sayHello(String name) {
      if (name.equals(last)) calls.incrementAndGet();
      else { last = name; calls.set(1); }
      return "hello " + name;
    }
    public User older(User user, int years) {
      user.age += years;
      return user;
    }
    public Map<String, Object> echo(Map<String, Object> value) { return value; }
    public int count(String name) { return name.equals(last) ? calls.get() : 0; }
    public void nothing() {}
    public String fail(String why) { throw new IllegalStateException(why); }
    public String slow(long milliseconds) throws InterruptedException {
      Thread.sleep(milliseconds);
      return "done";
    }
  }

  public static void main(String[] args) throws Exception {
    ApplicationConfig application = new ApplicationConfig("shop");
    application.setQosEnable(false);
    ProtocolConfig protocol = new ProtocolConfig("dubbo", Integer.parseInt(args[1]));
    protocol.setHost(args[0]);
    protocol.setSerialization("hessian2");
    protocol.setPreferSerialization("hessian2");
    ServiceConfig<Users> service = new ServiceConfig<>();
    service.setInterface("Main$Users");
    service.setRef(new UsersService());
    service.setVersion("1.0.0");
    service.setGroup("shop");
    DubboBootstrap.getInstance()
        .application(application)
        .registry(new RegistryConfig("N/A"))
        .protocol(protocol)
        .service(service)
        .start();
    System.out.println("provider started");
    Thread.currentThread().join();
  }
}
