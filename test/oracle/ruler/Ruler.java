import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import software.amazon.event.ruler.*;

/** Reads lines "RULE\tEVENT", answers yes, no, or invalid: the rule does not compile. */
public class Ruler {
  public static void main(String[] args) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
    for (String line; (line = in.readLine()) != null; ) {
      String[] p = line.split("\t", 2);
      String answer;
      try {
        Machine m = new Machine();
        m.addRule("r", p[0]);
        answer = m.rulesForJSONEvent(p[1]).isEmpty() ? "no" : "yes";
      } catch (Throwable e) {
        answer = "invalid";
      }
      out.println(answer);
    }
    out.flush();
  }
}
