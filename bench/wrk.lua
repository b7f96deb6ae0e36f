-- wrk -s wrk.lua URL -- PATHS METHOD PREFIX: requests random paths of the file PATHS. What is not a GET sends
-- BENCH_BODY with a name of its own in place of NAME each time: PREFIX and a number.
-- Prints one line of JSON at the end. Requests are built before the clock starts where they can be.

local paths, ready, method, prefix, count, pattern = {}, {}, "GET", "", 0, os.getenv("BENCH_BODY")

function init(args)
  for line in io.lines(args[1]) do
    paths[#paths + 1] = line
  end
  method, prefix = args[2], args[3]
  math.randomseed(os.time())
  wrk.headers["Authorization"] = os.getenv("BENCH_AUTHORIZATION")
  wrk.headers["Content-Type"] = "application/json"
  if method == "GET" then
    for i, path in ipairs(paths) do
      ready[i] = wrk.format("GET", path)
    end
  end
end

local function body()
  count = count + 1
  return (pattern:gsub("NAME", prefix .. count))
end

function request()
  if method == "GET" then
    return ready[math.random(#ready)]
  end
  return wrk.format(method, paths[math.random(#paths)], nil, body())
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"bad_status":%d,"broken":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
