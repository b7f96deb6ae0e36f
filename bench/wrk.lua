-- wrk -s wrk.lua URL -- PATHS METHOD PREFIX: requests random paths of the file PATHS; a POST makes a new person each.
-- Prints one line of JSON at the end. Requests are built before the clock starts where they can be.

local paths, ready, method, prefix, count = {}, {}, "GET", "", 0

function init(args)
  for line in io.lines(args[1]) do
    paths[#paths + 1] = line
  end
  method, prefix = args[2], args[3]
  math.randomseed(os.time())
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
  wrk.headers["Content-Type"] = "application/json"
  if method == "GET" then
    for i, path in ipairs(paths) do
      ready[i] = wrk.format("GET", path)
    end
  end
end

local function body()
  count = count + 1
  local name = prefix .. count
  return '{"username":"' .. name .. '","email":"' .. name
    .. '@example.com","first_name":"Zoë","last_name":"Nguyễn"}'
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
